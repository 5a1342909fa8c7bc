// For test_tokens.py, with the `tiktoken` package (the published Rust code and
// ranks) beside it:
//   vocab.cjs write DIR       the .tiktoken files as they are published
//   vocab.cjs ids ENCODING    stdin: a JSON list of strings; a line of tokens each
const fs = require("fs");
const path = require("path");
const root = process.env.NODE_PATH.split(":")[0];

function write(dir) {
	for (const name of ["cl100k_base", "o200k_base"]) {
		const d = require(path.join(root, "tiktoken/encoders", name + ".json"));
		const ranks = [];
		for (const line of d.bpe_ranks.split("\n").filter(Boolean)) {
			const [, first, ...tokens] = line.split(" ");
			tokens.forEach((t, i) => { ranks[+first + i] = t; });
		}
		fs.writeFileSync(path.join(dir, name + ".tiktoken"),
				 ranks.map((t, i) => `${t} ${i}\n`).join(""));
	}
}

function ids(name) {
	const t = require(path.join(root, "tiktoken")).get_encoding(name);
	const list = JSON.parse(fs.readFileSync(0, "utf8"));
	const out = list.map((s) => t.encode_ordinary(s).join(" "));
	fs.writeSync(1, out.join("\n") + "\n");
}

if (process.argv[2] === "write")
	write(process.argv[3]);
else
	ids(process.argv[3]);
