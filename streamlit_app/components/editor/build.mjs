// Puts src/ and the packages of package-lock.json into built/: the same bytes wherever it runs.
import {build} from "esbuild"
import {readdirSync, readFileSync, writeFileSync} from "node:fs"

const {metafile} = await build({
  entryPoints: ["src/editor.js"],
  outfile: "built/editor.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2021",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  banner: {js: "// Headwork's code editor, with the packages named in LICENSES.txt, all under the MIT licence."},
})

const packages = new Set()
for (const input of Object.keys(metafile.inputs)) {
  const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)
  if (found) packages.add(found[1])
}
const notes = [...packages].sort().map(name => {
  const folder = `node_modules/${name}`
  const {version, license} = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"))
  if (license !== "MIT") throw new Error(`${name} is under ${license}, not MIT`)
  const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each))
  if (!file) throw new Error(`${name} comes without its licence`)
  return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").replace(/\r\n/g, "\n").trim()}\n`
})
writeFileSync("built/LICENSES.txt", `What is bundled in editor.js beside Headwork's own code.\n\n${notes.join(`\n${"-".repeat(72)}\n\n`)}`)
