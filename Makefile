# llmguard: build, check, install. See README.md.
B ?= build
CC ?= gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
ARCHF := $(if $(filter x86_64,$(shell uname -m)),-mcx16)
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(ARCHF) $(WARN) $(SAN) -fPIC -fvisibility=hidden -ftls-model=initial-exec -D_GNU_SOURCE -Ishim -I.
ENGINE_DIRS := base wire llm price config budget ledger guard
ENGINE_SRC := $(wildcard $(ENGINE_DIRS:%=shim/%/*.c))
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(B)/obj/%.o)
STATIC := -Wl,-Bstatic -lyaml -lz -lnettle -Wl,-Bdynamic
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/%)

all: $(B)/libengine.a

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/libengine.a: $(ENGINE_OBJ)
	$(Q)rm -f $@; ar rcs $@ $^

$(B)/tests/test_%: tests/unit/test_%.c $(B)/libengine.a
	@mkdir -p $(@D)
	$(if $(Q),@echo LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP $< -o $@ $(B)/libengine.a -lcmocka $(STATIC) -lpthread

unit: $(UNIT_BIN)
	$(Q)for t in $(UNIT_BIN); do $$t || exit 1; done

clean:
	rm -rf $(B)

-include $(ENGINE_OBJ:.o=.d) $(UNIT_BIN:=.d)
.PHONY: all unit clean
