# llmguard: build, check, install. Targets: make help. See README.md.
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
PYTHON ?= /usr/bin/python3
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
comma := ,
SANNAME := $(subst $(comma),-,$(SANITIZE))
B ?= build$(if $(SANITIZE),-$(SANNAME))
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR ?=

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Werror
SAN ?= $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
	-fno-sanitize-recover=all)
X86_64 := $(filter x86_64,$(shell uname -m))
ARCHF := $(if $(X86_64),-mcx16)
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(ARCHF) $(WARN) $(SAN) -fPIC \
	-fvisibility=hidden -ftls-model=initial-exec -D_GNU_SOURCE \
	-Ishim -I.
STATIC := -Wl,-Bstatic -lyaml -lz -lbrotlidec -lbrotlicommon -lzstd -lnghttp2 \
	-Wl,-Bdynamic
# The command's own: the index of the ledger, the live view's terminal; static
# like the rest.
TOOL_LIBS := -ljansson -Wl,-Bstatic -lsqlite3 -lncursesw -ltinfo \
	-Wl,-Bdynamic -lm
say = $(if $(Q),@printf '  %-5s %s\n' $(1) $(2))

# Debian 12 packages. Nothing else is needed, also in a bare container.
DEPS_BUILD := gcc libc6-dev libyaml-dev zlib1g-dev libbrotli-dev \
	libzydis-dev libzstd-dev libnghttp2-dev libjansson-dev \
	libcurl4-openssl-dev libsqlite3-dev libncurses-dev \
	libxlsxwriter-dev libhpdf-dev \
	$(if $(X86_64),clang bpftool libbpf-dev libelf-dev)
DEPS_DEMO := python3 openssl curl libcurl4 ca-certificates tzdata
DEPS_CHECK := libcmocka-dev nettle-dev libhttp-parser-dev libssl-dev clang bpftrace \
	clang-format llvm universal-ctags libjemalloc2 \
	musl-tools busybox-static libtcmalloc-minimal4 php-cli php-curl \
	libpython3.11-testsuite python3-cffi python3-requests python3-httpx \
	libgnutls28-dev gnutls-bin libcurl3-gnutls wget git lynx aria2 \
	libcurl3-nss nss-plugin-pem android-libboringssl-dev \
	python3-aiohttp python3-h2 nghttp2-client python3-tornado \
	python3-pycurl python3-httplib2 python3-openssl wget2 socat ncat \
	ruby libwww-perl liblwp-protocol-https-perl lua5.3 lua-sec tcl-tls \
	nghttp2-server tmux \
	python3-openpyxl poppler-utils zstd \
	python3-yaml python3-jsonschema dpkg-dev procps \
	$(if $(shell command -v npm),,npm)
DEPS := $(DEPS_BUILD) $(DEPS_DEMO) $(DEPS_CHECK)

ENGINE_DIRS := base wire llm price config budget ledger guard
ENGINE_SRC := $(wildcard $(ENGINE_DIRS:%=shim/%/*.c))
HOOK_SRC := $(wildcard shim/hook/*.c)
PATCH_SRC := $(wildcard shim/hook/patch/*.c)
TOOL_SRC := $(filter-out tools/mkimage.c,$(wildcard tools/*.c))
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(B)/obj/%.o)
HOOK_OBJ := $(HOOK_SRC:%.c=$(B)/obj/%.o)
PATCH_OBJ := $(PATCH_SRC:%.c=$(B)/obj/%.o)
TOOL_OBJ := $(TOOL_SRC:%.c=$(B)/obj/%.o)
CLIENT_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/client/*.c))
PRICING := $(wildcard conf/pricing/*.yaml)

# tests/<suite>/test_*.c are programs that must exit 0 (or 77, skipped); any
# other .c file there is a helper program that a test starts by itself.
prog = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/$(1)/*.c))
UNIT_BIN := $(call prog,unit)
ifeq ($(X86_64),)
UNIT_BIN := $(filter-out %/test_reloc %/test_apply %/test_elf %/test_site \
	%/test_object %/test_object_calls %/test_gofunc,$(UNIT_BIN))
endif
GOLDEN_BIN := $(call prog,golden)
MODEL_BIN := $(call prog,model)
STRESS_BIN := $(call prog,stress)
SHIM_BIN := $(call prog,shim)
E2E_BIN := $(call prog,e2e)
BENCH_BIN := $(call prog,bench)
BPF_BIN = $(if $(BPF_LACKS),,$(call prog,bpf))
FUZZ_BIN := $(call prog,fuzz)
TEST_BIN = $(UNIT_BIN) $(GOLDEN_BIN) $(MODEL_BIN) $(STRESS_BIN) $(SHIM_BIN) \
	$(E2E_BIN) $(B)/tests/e2e/cclient-static $(BPF_BIN)

# The tracer. Debian's bpftool is in /usr/sbin, which few have in PATH.
BPFTOOL ?= $(firstword $(shell PATH="$$PATH:/usr/sbin:/sbin" \
	command -v bpftool) bpftool)
BPF_HAVE = $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v $(1))
BPF_LACKS := $(if $(X86_64),$(strip \
	$(if $(call BPF_HAVE,$(CLANG)),,clang) \
	$(if $(call BPF_HAVE,$(BPFTOOL)),,bpftool) \
	$(if $(wildcard /usr/include/bpf/libbpf.h),,libbpf-dev) \
	$(if $(wildcard /usr/include/libelf.h),,libelf-dev)),x86-64)
BPF_KERN := $(filter-out bpf/vmlinux.h,$(wildcard bpf/*.bpf.c))
BPF_SKEL := $(BPF_KERN:bpf/%.bpf.c=$(B)/gen/%.skel.h)
BPF_SRC := $(filter-out $(BPF_KERN),$(wildcard bpf/*.c))
BPF_OBJ := $(BPF_SRC:%.c=$(B)/obj/%.o)
BPF_LIBS := -lbpf -lelf -lz -lZydis -ljansson

ART := $(B)/libengine.a \
	$(if $(wildcard shim/guard/flow.c),$(B)/libllmguard.so) \
	$(if $(X86_64),$(B)/llmguard-patch.so) \
	$(if $(TOOL_SRC),$(B)/llmguard $(B)/libllmguard-client.so) \
	$(if $(BPF_LACKS),,$(B)/libtrace.a \
	$(if $(filter 4,$(words $(filter bpf/main.c bpf/enforce.c \
	bpf/object.c bpf/site.c,$(BPF_SRC)))),$(B)/llmguard-trace))

all: $(ART)
ifneq ($(BPF_LACKS),)
	@echo "llmguard-trace is not built, it needs: $(BPF_LACKS)"
endif

# Another compiler or other flags rebuild everything.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS))' | cmp -s - $@ || \
		echo '$(CC) $(subst ','\'',$(ALL_CFLAGS))' > $@

# Two files of the tools know where `make install` puts things.
$(B)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' > $@
PREFIX_OBJ := $(B)/obj/tools/preload.o $(B)/obj/tools/cmd_run.o
$(PREFIX_OBJ): $(B)/prefix
$(PREFIX_OBJ): ALL_CFLAGS += -DLG_PREFIX='"$(PREFIX)"'

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The shipped prices: compiled to an image, taken into the library as it is.
IMAGE_OBJ := $(filter $(B)/obj/shim/base/% $(B)/obj/shim/config/%,$(ENGINE_OBJ))
$(B)/mkimage: tools/mkimage.c $(IMAGE_OBJ) $(B)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(IMAGE_OBJ) $(STATIC) -lpthread

$(B)/gen/catalog.img: $(B)/mkimage $(PRICING)
	@mkdir -p $(@D)
	$(call say,IMAGE,$@)
	$(Q)$< $@ $(PRICING)

$(B)/gen/catalog.o: shim/price/catalog.S $(B)/gen/catalog.img
	$(Q)$(CC) -DLG_CATALOG='"$(B)/gen/catalog.img"' -c $< -o $@

$(B)/libengine.a: $(ENGINE_OBJ) $(B)/gen/catalog.o
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

# One self-contained file: everything static, everything but the hooks hidden.
$(B)/hooks.map: $(wildcard shim/hook/hooks.def) Makefile
	@mkdir -p $(@D)
	$(Q)sed -n 's/^[ \t]*LG_HOOK[A-Z_]*([ \t]*\([A-Za-z_0-9]*\).*/\1/p' \
		shim/hook/hooks.def | sort -u | awk 'BEGIN {print "{ global:"} \
		{print "  " $$1 ";"} END {print "  local: *; };"}' > $@

SO_LINK = -Wl,--version-script=$(B)/hooks.map -Wl,--exclude-libs,ALL \
	-Wl,-z,relro,-z,now,-z,nodelete -Wl,-Bsymbolic-functions \
	-Wl,--gc-sections $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs)
$(B)/libllmguard.so: $(HOOK_OBJ) $(B)/libengine.a $(B)/hooks.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $(HOOK_OBJ) $(B)/libengine.a \
		$(SO_LINK) -Wl,--as-needed $(STATIC) -ldl -lpthread

# Entry patching, loaded by the preload where it is needed.
$(B)/llmguard-patch.so: $(PATCH_OBJ) $(B)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $(PATCH_OBJ) \
		-Wl,-z,relro,-z,now,-z,nodelete -Wl,--gc-sections -lZydis

$(B)/libpatch.a: $(PATCH_OBJ) $(B)/obj/shim/hook/elf.o
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

# The hooks over a stand-in for the engine: their mechanics by themselves.
$(B)/libfake.so: tests/shim/fake/flow.c $(HOOK_OBJ) $(B)/libengine.a \
		$(B)/hooks.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $< $(HOOK_OBJ) $(B)/libengine.a \
		$(SO_LINK)

$(B)/llmguard: $(TOOL_OBJ) $(CLIENT_OBJ) $(B)/libengine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(STATIC) $(TOOL_LIBS) -ldl -lpthread

# What programs ask of the guard: the commands' own code behind a stable ABI.
CLIENT_SO := libllmguard-client.so.1
CLIENT_MAP := tools/client/llmguard-client.map
$(B)/libllmguard-client.so: $(CLIENT_OBJ) $(B)/libtools.a $(B)/libengine.a \
		$(CLIENT_MAP)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $(B)/$(CLIENT_SO) $(CLIENT_OBJ) \
		$(B)/libtools.a $(B)/libengine.a -Wl,-soname,$(CLIENT_SO) \
		-Wl,--version-script=$(CLIENT_MAP) -Wl,--exclude-libs,ALL \
		-Wl,-z,relro,-z,now -Wl,-Bsymbolic-functions -Wl,--gc-sections \
		$(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) -Wl,--as-needed \
		$(STATIC) -ldl -lpthread
	$(Q)ln -sf $(CLIENT_SO) $@

# The tools without their main(), for tests of their parsers.
$(B)/libtools.a: $(filter-out $(B)/obj/tools/main.o,$(TOOL_OBJ)) $(CLIENT_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

# The kernel side, for the kernel's own machine: no host compiler's flags.
$(B)/gen/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -std=gnu11 -g -O2 -target bpf -mcpu=v3 -Wall -Werror \
		-D__TARGET_ARCH_x86 -I. -Ibpf -MMD -MP -MT $@ \
		-MF $(@:.o=.d) -c $< -o $@.tmp
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp

.PRECIOUS: $(B)/gen/%.bpf.o
$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@

$(BPF_OBJ): ALL_CFLAGS += -I$(B)/gen
ifeq ($(BPF_LACKS),)
$(BPF_OBJ): | $(BPF_SKEL)
endif
# Without its main(), for tests; without what needs libbpf where that is not.
BPF_PURE := $(filter-out bpf/main.c bpf/loader%.c bpf/enforce%.c bpf/rung%.c,\
	$(BPF_SRC))
$(B)/libtrace.a: $(if $(BPF_LACKS),$(BPF_PURE:%.c=$(B)/obj/%.o),\
		$(filter-out $(B)/obj/bpf/main.o,$(BPF_OBJ)))
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

$(B)/llmguard-trace: $(filter $(B)/obj/bpf/main.o,$(BPF_OBJ)) \
		$(B)/libtrace.a $(B)/libtools.a $(B)/libengine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(STATIC) $(BPF_LIBS) -ldl -lpthread

LIBS-unit := -lcmocka $(TOOL_LIBS) -lnettle -lbrotlienc $(if $(X86_64),-lZydis)
LIBS-golden := -lcmocka -ljansson -lbrotlienc -lm
LIBS-stress := -ljansson
LIBS-shim := -lssl -lcrypto
LIBS-e2e := -lssl -lcrypto
LIBS-bench := -lssl -lcrypto
EXTRA-shim := $(wildcard tests/shim/lib/*.c)
EXTRA-golden := $(B)/libtrace.a $(B)/libtools.a
EXTRA-unit := $(B)/libtrace.a $(B)/libtools.a $(if $(X86_64),$(B)/libpatch.a)
$(UNIT_BIN) $(GOLDEN_BIN) $(FUZZ_BIN): $(B)/libtools.a
$(UNIT_BIN) $(GOLDEN_BIN) $(FUZZ_BIN) $(B)/tests/bench/meter: $(B)/libtrace.a
$(B)/tests/bench/meter: EXTRA-bench := $(B)/libtrace.a
$(UNIT_BIN): $(if $(X86_64),$(B)/libpatch.a | $(B)/llmguard-patch.so)
$(SHIM_BIN): $(EXTRA-shim) $(B)/libfake.so
$(B)/tests/shim/test_gnutls \
$(B)/tests/shim/test_gnutls_calls: LIBS-shim += -lgnutls
$(B)/tests/shim/test_nss: LIBS-shim += -l:libssl3.so -l:libnss3.so -l:libnspr4.so
$(B)/tests/bench/gnutls: LIBS-bench += -lgnutls
$(B)/tests/unit/test_keyed: EXTRA-unit += $(B)/obj/shim/hook/keyed.o
$(B)/tests/unit/test_keyed: $(B)/obj/shim/hook/keyed.o
$(UNIT_BIN) $(GOLDEN_BIN) $(MODEL_BIN) $(STRESS_BIN) $(SHIM_BIN) $(E2E_BIN) \
$(BENCH_BIN): $(B)/%: %.c $(B)/libengine.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP $< $(EXTRA-$(notdir $(<D))) -o $@ \
		$(B)/libengine.a $(STATIC) $(LIBS-$(notdir $(<D))) -ldl -lpthread

# The same program, as Node is: with an OpenSSL of its own that it exports.
$(B)/tests/e2e/cclient-static: tests/e2e/cclient.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< -o $@ -Wl,--export-dynamic -Wl,-Bstatic \
		-lssl -lcrypto -Wl,-Bdynamic -ldl -lpthread

# For short: make build/tests/test_x is build/tests/unit/test_x.
$(B)/tests/test_%: $(B)/tests/unit/test_%
	$(Q)ln -sf unit/test_$* $@

unit: $(UNIT_BIN)
	$(Q)$(PYTHON) tests/run.py -B $(B) unit

$(BPF_BIN): $(B)/%: %.c $(B)/libtrace.a $(B)/libtools.a $(B)/libengine.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP $< -o $@ $(B)/libtrace.a \
		$(B)/libtools.a $(B)/libengine.a $(STATIC) $(BPF_LIBS) \
		-lssl -lcrypto -ldl -lpthread

tests: all $(TEST_BIN) $(if $(HOOK_SRC),$(B)/libfake.so)

# All suites. What they need is fetched first; what cannot be had is skipped
# by name. The last line is "N passed, N failed, N skipped".
SUITES ?= style unit golden model shim e2e bpf stress
check: deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/e2e/setup-node.sh || \
		echo "node clients: not available, their tests are skipped"
	$(Q)$(PYTHON) tests/run.py -B $(B) $(SUITES)

e2e: all $(E2E_BIN) $(B)/tests/e2e/cclient-static
	$(Q)tests/e2e/setup-node.sh || true
	$(Q)$(PYTHON) tests/run.py -B $(B) e2e

demo:
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_DEMO)"
	$(Q)$(MAKE) --no-print-directory all
	$(Q)B=$(B) $(PYTHON) tests/e2e/demo.py

bench: deps
	$(Q)$(MAKE) --no-print-directory all $(BENCH_BIN)
	$(Q)B=$(B) $(PYTHON) tests/bench/bench.py

# A million rows over a year: the index, the reports, every sum checked.
LEDGER_ROWS ?= 1000000
bench-bill: all $(B)/tests/e2e/make_ledger
	$(Q)B=$(B) LEDGER_ROWS=$(LEDGER_ROWS) $(PYTHON) tests/bench/bill.py

# Node's own OpenSSL is measured by a module that Node loads.
$(B)/tests/bpf/sslloop.node: tests/bpf/sslloop.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $<

# What a probed call costs the program, by site. One to two minutes; root.
bench-trace: deps
	$(Q)$(MAKE) --no-print-directory all $(B)/tests/bpf/bench_trace \
		$(B)/tests/bpf/sslloop $(B)/tests/bpf/sslloop.node
	$(Q)$(B)/tests/bpf/bench_trace $(B)/tests/bpf/sslloop node \
		$(abspath $(B))/tests/bpf/sslloop.node

style:
	$(Q)CC=$(CC) tests/style.sh

# Every fuzz target for FUZZ_SECONDS under ASan and UBSan.
FUZZ_SECONDS ?= 10
fuzz:
	$(Q)$(MAKE) --no-print-directory B=$(B)-fuzz CC=$(CLANG) \
	    SAN="-fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=all" fuzz-programs
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTHON) tests/run.py \
	    -B $(B)-fuzz fuzz

fuzz-programs: $(FUZZ_BIN)
$(FUZZ_BIN): $(B)/%: %.c $(B)/libengine.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes \
		-fsanitize=fuzzer,address,undefined -MMD -MP $< -o $@ \
		$(B)/libtrace.a $(B)/libtools.a $(B)/libengine.a $(STATIC) \
		$(TOOL_LIBS) $(if $(wildcard /usr/include/http_parser.h),-lhttp_parser) \
		$(if $(X86_64),-lZydis) \
		-ldl -lpthread

deps:
	@want=""; for p in $(DEPS); do \
	    dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | \
	    grep -qx installed || want="$$want $$p"; done; \
	if [ -z "$$want" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then echo "installing:$$want"; \
	    export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends $$want >/dev/null; \
	else echo "missing packages; as root:"; \
	    echo "  apt-get install --no-install-recommends$$want"; fi

# make check has it for 40 seconds.
CHAOS_SECONDS ?= 600
chaos: all $(B)/tests/e2e/cclient
	$(Q)B=$(B) CHAOS_SECONDS=$(CHAOS_SECONDS) $(PYTHON) \
		tests/e2e/test_chaos.py

# docs/coverage.md anew: what real clients show. Those that are built or
# fetched (Go, Java, Rust, Bun, Deno) are left out where their tools are not.
coverage: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/e2e/setup-node.sh || true
	$(Q)tests/e2e/coverage/build.sh
	$(Q)B=$(B) $(PYTHON) tests/e2e/coverage/coverage.py -v -w

# Other projects' own tests, bare and guarded (docs/testing.md): needs the
# network for Debian's sources, and an hour or two for all. FOREIGN chooses.
FOREIGN ?=
suites: all
	$(Q)tests/e2e/setup-node.sh || true
	$(Q)B=$(B) $(PYTHON) tests/foreign/compare.py $(FOREIGN)

# Manual pages and completion come from the option tables; both are kept.
man: $(B)/llmguard
	@mkdir -p docs/man conf/completions
	$(Q)$< completion bash > conf/completions/llmguard.bash
	$(Q)$< completion zsh > conf/completions/_llmguard
	$(Q)$< completion fish > conf/completions/llmguard.fish
	$(Q)$< help --man > docs/man/llmguard.1
	$(Q)$< help | sed -n 's/^  \([a-z-]* *[a-z-]*\)  .*/\1/p' | \
	    while read -r c; do \
	    $< help --man $$c > docs/man/llmguard-$$(echo $$c | tr ' ' -).1; \
	    done

install: all
	install -d $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/share/llmguard/pricing \
	    $(DESTDIR)$(SYSCONFDIR)/llmguard \
	    $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(B)/libllmguard.so $(DESTDIR)$(PREFIX)/lib/
	$(if $(X86_64),install -m 755 $(B)/llmguard-patch.so \
	    $(DESTDIR)$(PREFIX)/lib/)
	install -m 755 $(B)/llmguard $(DESTDIR)$(PREFIX)/bin/
	install -d $(DESTDIR)$(PREFIX)/include \
	    $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 755 $(B)/$(CLIENT_SO) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(CLIENT_SO) $(DESTDIR)$(PREFIX)/lib/libllmguard-client.so
	install -m 644 tools/client/llmguard.h $(DESTDIR)$(PREFIX)/include/
	sed -e 's,@PREFIX@,$(PREFIX),' -e "s,@VERSION@,$$(sed -n \
	    's/.*tool_version\[\] = "\(.*\)";/\1/p' tools/tool.c)," \
	    tools/client/llmguard-client.pc.in > \
	    $(DESTDIR)$(PREFIX)/lib/pkgconfig/llmguard-client.pc
	install -m 644 docs/man/llmguard-client.3 \
	    $(DESTDIR)$(PREFIX)/share/man/man3/
	if [ -e $(B)/llmguard-trace ]; then \
	    install -m 755 $(B)/llmguard-trace $(DESTDIR)$(PREFIX)/bin/; \
	    install -d $(DESTDIR)$(PREFIX)/lib/systemd/system; \
	    sed 's,@PREFIX@,$(PREFIX),' conf/llmguard-trace.service > \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/llmguard-trace.service; fi
	$(if $(PRICING),install -m 644 $(PRICING) \
	    conf/pricing/LICENSE.genai-prices \
	    $(DESTDIR)$(PREFIX)/share/llmguard/pricing/)
	install -m 644 conf/llmguard.yaml \
	    $(DESTDIR)$(PREFIX)/share/llmguard/llmguard.yaml.example
	for m in docs/man/*.1; do [ ! -e $$m ] || \
	    install -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man1/; done
	[ ! -e conf/completions/llmguard.bash ] || \
	    install -m 644 conf/completions/llmguard.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/llmguard
	install -m 644 conf/completions/_llmguard \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -m 644 conf/completions/llmguard.fish \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/

help:
	@echo "make            build libllmguard.so and llmguard into $(B)/"
	@echo "make deps       install what the build and the tests need"
	@echo "make demo       a guarded curl and python until one is blocked"
	@echo "make check      all tests; SUITES='unit e2e' chooses"
	@echo "make bench      the figures, with and without the guard"
	@echo "make bench-bill a million rows: index, reports, every sum checked"
	@echo "make bench-trace  what the tracer's probes cost a call"
	@echo "make fuzz       every fuzz target for FUZZ_SECONDS"
	@echo "make chaos      many programs killed at random, CHAOS_SECONDS"
	@echo "make coverage   docs/coverage.md: real clients, one by one"
	@echo "make suites     foreign test suites bare and guarded, FOREIGN='php'"
	@echo "make style      layering, sizes, formatting"
	@echo "make man        manual pages and completion anew"
	@echo "make install    DESTDIR= PREFIX=$(PREFIX)"
	@echo "SANITIZE=address,undefined | thread, CC=clang, V=1"

clean:
	rm -rf $(B) $(B)-fuzz

-include $(shell [ -d $(B) ] && find $(B) -name '*.d' 2>/dev/null)
FORCE:
.PHONY: man all unit tests check e2e demo bench bench-bill \
	bench-trace chaos suites coverage style \
	fuzz deps fuzz-programs install help clean FORCE
