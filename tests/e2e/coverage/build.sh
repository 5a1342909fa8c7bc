#!/usr/bin/env bash
# The programs of the table that have to be built or fetched, each only where
# its tools are there: Go, Java, Rust (Debian's crates), Bun and Deno from npm.
#   build/coverage/{client-go,client-go-static,Client.class,client-reqwest,
#   client-ureq,node_modules}
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.." || exit 1
OUT=$PWD/build/coverage
mkdir -p "$OUT"
without() { echo "without $1: $2"; }
newer() { [ -e "$OUT/$1" ] && [ ! "$here/$2" -nt "$OUT/$1" ]; }

if newer client-go client.go && newer client-go-static client.go; then :
elif command -v go >/dev/null; then
	export GOCACHE=$OUT/go-cache GO111MODULE=off GOFLAGS=
	CGO_ENABLED=1 go build -o "$OUT/client-go" "$here/client.go" ||
		without client-go 'no C compiler for cgo?'
	CGO_ENABLED=0 go build -o "$OUT/client-go-static" "$here/client.go"
	rm -rf "$GOCACHE"
else
	without Go 'apt-get install golang-go'
fi

if newer Client.class Client.java; then :
elif command -v javac >/dev/null; then
	javac -d "$OUT" "$here/Client.java"
else
	without Java 'apt-get install openjdk-17-jdk-headless'
fi

# Debian's own toolchain, and none that stands before it in the path.
if newer client-reqwest rust/src/bin/client-reqwest.rs &&
	newer client-ureq rust/src/bin/client-ureq.rs; then :
elif [ -x /usr/bin/cargo ] && ls -d /usr/share/cargo/registry/reqwest-0.11* \
	/usr/share/cargo/registry/ureq-2* >/dev/null 2>&1; then
	rm -rf "$OUT/rust"
	cp -r "$here/rust" "$OUT/rust"
	mkdir "$OUT/rust/.cargo"
	cat > "$OUT/rust/.cargo/config.toml" <<-'END'
		[source.crates-io]
		replace-with = "debian"
		[source.debian]
		directory = "/usr/share/cargo/registry"
	END
	(cd "$OUT/rust" && unset RUSTUP_TOOLCHAIN && CARGO_HOME=$OUT/rust/home \
		RUSTC=/usr/bin/rustc /usr/bin/cargo build --offline -q 2>&1) &&
		mv "$OUT"/rust/target/debug/client-{reqwest,ureq} "$OUT/" ||
		without Rust 'cargo cannot build'
	rm -rf "$OUT/rust"
else
	without Rust 'apt-get install cargo librust-reqwest-dev librust-ureq-dev'
fi

if newer node_modules/.package-lock.json npm/package.json; then :
elif command -v npm >/dev/null; then
	rm -rf "$OUT/npm"
	cp -r "$here/npm" "$OUT/npm"
	(cd "$OUT/npm" && npm install --silent --no-audit --no-fund \
		--ignore-scripts >/dev/null 2>&1) &&
		rm -rf "$OUT/node_modules" &&
		mv "$OUT/npm/node_modules" "$OUT/node_modules" ||
		without 'Bun, Deno' 'npm cannot fetch them'
	rm -rf "$OUT/npm"
else
	without 'Bun, Deno' 'apt-get install npm'
fi
