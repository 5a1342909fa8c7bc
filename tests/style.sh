#!/usr/bin/env bash
# What a reviewer should not have to look for: layers, sizes, formatting,
# headers that compile alone, unfinished marks, paths of somebody's machine.
set -u
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-gcc}
bad=0
fail() { # title, lines
	[ -n "$2" ] || return 0
	printf '%s\n%s\n' "$1" "$(printf '%s\n' "$2" | sed 's/^/    /')"
	bad=1
}
have() { command -v "$1" >/dev/null 2>&1 || { echo "no $1: left out"; false; }; }
if git rev-parse --git-dir >/dev/null 2>&1; then
	list() { git ls-files --cached --others --exclude-standard -- "$@" |
		while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
else
	list() { local g; for g in "$@"; do
		find . \( -path './build*' -o -path ./.git \) -prune -o -type f -name "${g##*/}" -print |
			sed 's,^\./,,'; done | sort -u; }
fi
# vmlinux.h is the kernel's, taken as it is.
C=$(list '*.c' '*.h' | grep -v '^bpf/vmlinux\.h$')

# Layers: base <- {wire llm price config budget ledger} <- guard <- hook.
layer() { # folder, what it may include
	local f
	for f in $(printf '%s\n' "$C" | grep "^$1/"); do
		grep -nHE '^[ \t]*#[ \t]*include[ \t]*"' "$f" |
			grep -vE "include[ \t]*\"($2)/"
	done
}
peers='wire llm price config budget ledger'
out=$(layer shim/base base
	for p in $peers; do layer "shim/$p" "base|$p"; done
	layer shim/guard "base|${peers// /|}|guard"
	layer shim/hook "base|${peers// /|}|guard|hook"
	for f in $(printf '%s\n' "$C" | grep '^\(tools\|bpf\)/'); do
		grep -nHE '^[ \t]*#[ \t]*include[ \t]*"(shim/)?hook/' "$f"
	done
	# the kernel side knows probe.h and the kernel's types alone
	for f in $(printf '%s\n' "$C" | grep '^bpf/.*\.bpf\.[ch]$'); do
		grep -nHE '^[ \t]*#[ \t]*include[ \t]*"' "$f" |
			grep -vE 'include[ \t]*"(bpf/|vmlinux\.h)'
	done
	for f in $(printf '%s\n' "$C" | grep '^tools/'); do
		grep -nHE '^[ \t]*#[ \t]*include[ \t]*"bpf/' "$f"
	done)
fail 'includes that point up or sideways:' "$out"
fail 'jansson, libyaml or stdio where they may not be:' "$(
	printf '%s\n' "$C" | grep '^shim/' | while read -r f; do
		case $f in shim/config/*) x='jansson' ;;
		*) x='jansson|yaml' ;; esac
		grep -nHE "^[ \t]*#[ \t]*include[ \t]*<($x)\.h>" "$f"
	done)"
fail 'floating point in the engine:' "$(
	for f in $(printf '%s\n' "$C" | grep '^shim/.*\.c$'); do
		grep -nHE '^[^/*"]*\<(double|float)\>[ \t]+[a-z_*]' "$f"
	done)"

fail 'files over 600 lines:' "$(printf '%s\n' "$C" | xargs -r wc -l |
	awk '$2 != "total" && $1 > 600 {print $1, $2}')"
# A flat switch or table may be longer with a line above it that says "flat".
if have ctags; then
	fail 'functions over 60 lines:' "$(printf '%s\n' "$C" | grep -v '^tests/' |
	xargs -r ctags -x --c-kinds=f --fields=+ne \
		--_xformat='%{line} %{end} %F %N' 2>/dev/null |
	awk '$2 - $1 + 1 > 60' | while read -r a b f n; do
		sed -n "$((a > 4 ? a - 4 : 1)),${a}p" "$f" |
			grep -qi 'flat' || echo "$((b - a + 1)) $f $n"
	done)"
fi
if have clang-format; then
	fail 'not as clang-format wants it (clang-format -i):' "$(
		printf '%s\n' "$C" | xargs -r clang-format --dry-run 2>&1 |
		sed -n 's/^\([^ :]*\):[0-9:]* warning.*/\1/p' | sort | uniq -c)"
fi
fail 'headers that do not compile alone:' "$(
	printf '%s\n' "$C" | grep '^\(shim\|tools\|bpf\)/.*\.h$' |
	grep -v -e '/hook/' -e '\.bpf\.h$' | while read -r h; do
		printf '#include "%s"\n' "$h" | $CC -std=gnu11 -D_GNU_SOURCE -mcx16 \
			-Ishim -I. -Wall -Wextra -fsyntax-only -x c - 2>&1 |
			grep -q 'error' && echo "$h"
	done)"
fail 'headers without their guard (LG_FOLDER_NAME_H):' "$(
	printf '%s\n' "$C" | grep '^\(shim\|bpf\)/.*\.h$' | while read -r h; do
		g=$(echo "${h#shim/}" | tr 'a-z/.-' 'A-Z___')
		grep -q "^#ifndef LG_$g\$" "$h" || echo "$h: LG_$g"
	done)"

ALL=$(list '*.c' '*.h' '*.sh' '*.py' '*.md' '*.yaml' '*.cjs' Makefile .ci/run)
fail 'unfinished marks without an issue number:' "$(printf '%s\n' "$ALL" |
	grep -v '^tests/style.sh$' |
	xargs -r grep -nHIE '\<(TODO|FIXME|XXX|HACK)\>' |
	grep -vE '(TODO|FIXME)\(?#[0-9]+')"
fail "paths of somebody's machine:" "$(printf '%s\n' "$ALL" |
	xargs -r grep -nHIE '(^|[^A-Za-z0-9_.~-])/(home|root|Users|work|farm)/' |
	grep -vE '/(home|root)/(user|you|me|\.\.\.)')"
fail 'spaces at the end of a line:' "$(printf '%s\n' "$ALL" |
	grep -v '\.md$' | xargs -r grep -nHIE '[ 	]+$' | head -20)"
exit $bad
