#!/usr/bin/env bash
# The Node clients of the end-to-end tests, made once whatever build is tested:
#   build/node18/node           Debian's Node 18 (it uses the system's libssl)
#   build/npm/node_modules/       openai, @anthropic-ai/sdk and others as in npm/package.json
# Where the installed node is another build (a static OpenSSL cannot be
# interposed), Debian's packages are unpacked below build and not installed.
set -eu
cd "$(dirname "$0")/../.."
B=build
mkdir -p "$B"

uses_libssl() {
	"$1" -e 'process.exit(process.config.variables.node_shared_openssl &&
		process.version.startsWith("v18.") ? 0 : 1)' 2>/dev/null
}

unpack_node() {
	local d=$B/node18.new p want
	rm -rf "$d" "$B/node18"
	mkdir -p "$d/debs"
	chmod 755 "$d/debs"
	want='nodejs=18.* libnode108=18.*'
	want="$want node-undici node-acorn node-cjs-module-lexer"
	for p in libc-ares2 libuv1 libnghttp2-14 libicu72 libbrotli1 libssl3; do
		dpkg-query -W "$p" >/dev/null 2>&1 || want="$want $p"
	done
	# shellcheck disable=SC2086
	(cd "$d/debs" && apt-get download -qq $want 2>/dev/null)
	for p in "$d"/debs/*.deb; do dpkg -x "$p" "$d"; done
	rm -r "$d/debs"
	# Debian's build reads parts of itself from /usr/share/nodejs. A path of
	# the same length, a descriptor that the starter opens, leads to our copy.
	sed -i 's,/usr/share/nodejs/,/proc/self/fd/200/,g' \
		"$d"/usr/lib/*/libnode.so.108
	cat > "$d/node" <<-'END'
		#!/usr/bin/env bash
		here=$(dirname "$(readlink -f "$0")")
		exec 200<"$here/usr/share/nodejs"
		lib=$(echo "$here"/usr/lib/*-linux-gnu*)
		LD_LIBRARY_PATH=$lib exec "$here/usr/bin/node" "$@"
	END
	chmod +x "$d/node"
	mv "$d" "$B/node18"
}

if ! uses_libssl "$B/node18/node"; then
	if uses_libssl /usr/bin/node; then
		mkdir -p "$B/node18"
		ln -sf /usr/bin/node "$B/node18/node"
	else
		unpack_node
		uses_libssl "$B/node18/node"
	fi
fi

if ! cmp -s tests/e2e/npm/package-lock.json "$B/npm/package-lock.json"; then
	rm -rf "$B/npm"
	mkdir -p "$B/npm.new"
	cp tests/e2e/npm/package*.json "$B/npm.new"
	(cd "$B/npm.new" && npm ci --silent --no-audit --no-fund \
		--ignore-scripts >/dev/null 2>&1)
	mv "$B/npm.new" "$B/npm"
fi
