#!/usr/bin/env bash
# The preload from outside: what it exports, needs, and leaves alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
bad=0
check() { # what, got, want
	[ "$2" = "$3" ] && return
	echo "$1:"
	diff <(echo "$2") <(echo "$3") | sed 's/^/    /'
	bad=1
}
newest() { # the newest GLIBC_ version that a file asks for
	nm -D "$1" | sed -n 's/.*@GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -1
}

want=$(sed -n 's/^LG_HOOK(\([A-Za-z_0-9]*\).*/\1/p' shim/hook/hooks.def | sort)
for so in "$B/libllmguard.so" "$B/libfake.so"; do
	[ -r "$so" ] || { echo "no $so: left out"; continue; }
	case $(nm -D "$so") in *__asan_*|*__tsan_*)
		echo "sanitized: what it links with is not looked at"
		continue ;;
	esac
	check "$so exports" "$(nm -D --defined-only "$so" | awk '{print $3}' |
		sort)" "$want"
	check "$so needs" "$(readelf -d "$so" |
		sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')" libc.so.6
	check "$so: text relocations" "$(readelf -d "$so" | grep -c TEXTREL)" 0
	check "$so: not to be unloaded" "$(readelf -d "$so" |
		grep -c 'NODELETE')" 1
	check "$so: bound at load" "$(readelf -d "$so" | grep -c 'BIND_NOW')" 1
	check "$so: thread-local storage of at most 64 bytes" "$(($(readelf -lW \
		"$so" | awk '$1 == "TLS" {print $6}') <= 64))" 1
	# glibc 2.34 moved libdl and libpthread in; 2.33 made stat a function.
	v=$(newest "$so")
	check "$so: newest libc symbol is at most 2.34" \
		"$(printf '%s\n2.34\n' "$v" | sort -V | tail -1)" 2.34
done
# Programs without TLS: same output, nothing else mapped, no noise.
so=$(readlink -f "$B/libllmguard.so" 2>/dev/null)
[ -r "$so" ] || so=$(readlink -f "$B/libfake.so")
case $(nm -D "$so") in *__asan_*|*__tsan_*) exit $bad ;; esac
check 'ls' "$(LD_PRELOAD=$so ls -la /usr/share 2>&1)" "$(ls -la /usr/share 2>&1)"
check 'python without TLS' "$(LD_PRELOAD=$so /usr/bin/python3 -c 'print(7)' \
	2>&1)" 7
maps() {
	LD_PRELOAD=$1 cat /proc/self/maps | awk '{print $6}' | sort -u
}
check 'mapped files' "$(maps "$so" | grep -v "$so")" "$(maps '')"
check 'a descriptor' "$(LD_PRELOAD=$so ls /proc/self/fd)" \
	"$(ls /proc/self/fd)"

# One run for all children; nothing where no budget asks for it.
clean() { env -u LLMGUARD_MAX_USD -u LLMGUARD_RUN_ID "$@"; }
ids() { # shell, name=value...
	sh=$1
	shift
	clean "$@" LD_PRELOAD="$so" "$sh" -c \
		'env | grep ^LLMGUARD_RUN_ID=; env | grep ^LLMGUARD_RUN_ID=' |
		sort | uniq -c | awk '{print $1, (length($2) > 30 ? "id" : $2)}'
}
for sh in sh bash; do
	check "$sh: no budget" "$(ids $sh)" ''
	check "$sh: one run" "$(ids $sh LLMGUARD_MAX_USD=1)" '2 id'
	check "$sh: the given run" "$(ids $sh LLMGUARD_MAX_USD=1 \
		LLMGUARD_RUN_ID=mine)" '2 LLMGUARD_RUN_ID=mine'
	check "$sh: switched off" "$(ids $sh LLMGUARD_MAX_USD=1 \
		LLMGUARD_DISABLE=1)" ''
done
check 'bash can change it' "$(clean LLMGUARD_MAX_USD=1 LD_PRELOAD="$so" bash \
	-c 'export LLMGUARD_RUN_ID=x FOO=bar; env | grep -c -e ^FOO=bar$ -e \
	^LLMGUARD_RUN_ID=x$')" 2
check 'python can change it' "$(clean LLMGUARD_MAX_USD=1 LD_PRELOAD="$so" \
	/usr/bin/python3 -c 'import os
os.environ["FOO"] = "bar"; os.environ["LLMGUARD_RUN_ID"] = "y"
del os.environ["LLMGUARD_MAX_USD"]
os.system("env | grep -c -e ^FOO=bar$ -e ^LLMGUARD_RUN_ID=y$")')" 2
exit $bad
