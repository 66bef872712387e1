// Makes the site: `node style/build.mjs ISLANDS_DIR SITE_DIR`, called by `cargo xtask build` and by nobody else.
//
// In: `style/main.css`, `style/js/main.ts` (and `charts.ts`, loaded when a page has a chart; `theme.ts`, before the first paint), `public/`, and in ISLANDS_DIR
// the browser half as the bindgen step left it. Out: SITE_DIR with every file under a name that carries a digest of its
// content, `.br` and `.gz` beside those they make smaller, and `manifest.json` from logical to built names.
// Files whose bytes did not change are left alone, so that nothing is compiled again for them.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { build } from "esbuild";

const style = dirname(fileURLToPath(import.meta.url));
const root = dirname(style);
const [islandsDir, siteDir] = process.argv.slice(2).map((path) => resolve(path));

/** Built name → bytes, and logical name → built name. */
const files = new Map();
const manifest = new Map();

function add(logical, bytes) {
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const extension = extname(logical);
  const built = `${logical.slice(0, logical.length - extension.length)}-${digest}${extension}`;
  files.set(built, bytes);
  manifest.set(logical, built);
  return built;
}

/** The browser half: its glue minified, both parts named by content. Gives the two links that `islands.ts` imports. */
async function islands() {
  const wasm = add("tidewatch_bg.wasm", readFileSync(join(islandsDir, "tidewatch_bg.wasm")));
  const glue = await build({
    entryPoints: [join(islandsDir, "tidewatch.js")],
    format: "esm",
    minify: true,
    target: browsers,
    write: false,
    logLevel: "warning",
  });
  const js = add("tidewatch.js", Buffer.from(glue.outputFiles[0].contents));
  return { glue: `/assets/${js}`, wasm: `/assets/${wasm}` };
}

// What the visual language needs: light-dark(), nesting, popover, subgrid.
const browsers = ["chrome123", "firefox125", "safari17.5"];

/** `import { glue, wasm } from "tidewatch:islands"` in our scripts: where the browser half lies. */
const islandLinks = (links) => ({
  name: "island-links",
  setup(bundler) {
    bundler.onResolve({ filter: /^tidewatch:islands$/ }, ({ path }) => ({ path, namespace: "island-links" }));
    bundler.onLoad({ filter: /.*/, namespace: "island-links" }, () => ({
      contents: `export const glue = ${JSON.stringify(links.glue)}; export const wasm = ${JSON.stringify(links.wasm)};`,
    }));
  },
});

/** Parts of the chart library that its core imports unasked and that our charts never meet: the Chinese locale, its own dark theme
 *  (ours comes from the tokens), the reading of options written for its versions 2 and 3, decal patterns, the loading picture, time
 *  and logarithmic axes, data transforms, sectors and shapes written as SVG paths, and its own listening to the pointer (the tip
 *  over a chart is ours). Each is replaced by functions of the same names that do nothing. */
const unused = {
  name: "unused-parts",
  setup(bundler) {
    const charts = "i18n[/]langZH|theme[/]dark|preprocessor[/]backwardCompat|util[/]decal|loading[/]default|scale[/](Time|Log)|data[/]helper[/]transform";
    const drawing = "graphic[/]helper[/]roundSector|tool[/]path|dom[/]HandlerProxy|contain[/]path";
    bundler.onLoad({ filter: new RegExp(`echarts[/]lib[/](${charts})[.]js$|zrender[/]lib[/](${drawing})[.]js$`) }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const named = [...source.matchAll(/^export (?:function|var|const|class) (\w+)/gm)].map(([, name]) => name);
      named.push(...[...source.matchAll(/^export \{ ?([^}]+?) ?\};/gm)].flatMap(([, names]) => names.split(/ ?, ?/).map((name) => name.split(" as ").at(-1))));
      const nothing = named.filter((name) => name !== "default").map((name) => `export function ${name}() { return null; }`);
      return { contents: `${nothing.join("\n")}\nfunction none() {}\nnone.prototype = { dispose() {}, setCursor() {} };\nexport default none;` };
    });
    // Words for parts that are not there.
    bundler.onLoad({ filter: /echarts[/]lib[/]i18n[/]langEN[.]js$/ }, () => ({ contents: "export default {};" }));
    // Sorting that keeps the order of equals: every browser's own does since 2019.
    bundler.onLoad({ filter: /zrender[/]lib[/]core[/]timsort[.]js$/ }, () => ({ contents: "export default (list, order) => list.sort(order);" }));
  },
};

/** Scripts and styles. Fonts and pictures that the styles name come along, named by content. */
async function bundle(links) {
  const entryPoints = ["js/main.ts", "js/charts.ts", "js/theme.ts", "main.css", "work.css"].map((name) => join(style, name)).filter(existsSync);
  if (entryPoints.length === 0) return;
  const result = await build({
    entryPoints,
    absWorkingDir: root,
    outdir: siteDir,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    publicPath: "/assets/",
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    target: browsers,
    loader: { ".woff2": "file", ".svg": "file", ".png": "file" },
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
    plugins: [islandLinks(links), unused],
  });
  for (const { path, contents } of result.outputFiles) {
    files.set(relative(siteDir, path), Buffer.from(contents));
  }
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    const built = relative(siteDir, resolve(root, path));
    if (output.entryPoint) {
      manifest.set(basename(output.entryPoint).replace(/\.ts$/, ".js"), built);
      continue;
    }
    // A font or picture has one input and goes under its place in `public/`; a shared chunk has many and no logical name.
    const inputs = Object.keys(output.inputs);
    if (inputs.length === 1 && inputs[0].startsWith("public/")) {
      manifest.set(inputs[0].slice("public/".length), built);
    }
  }
}

/** Everything in `public/` that the styles did not bring already. */
function publicFiles() {
  const folder = join(root, "public");
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const logical = relative(folder, path);
    if (entry.isFile() && !entry.name.startsWith(".") && !manifest.has(logical)) add(logical, readFileSync(path));
  }
}

/** `.br` and `.gz` where they save at least a twentieth: not for fonts and pictures, which are compressed already. */
async function compress() {
  const worth = new Set([".js", ".css", ".wasm", ".svg", ".json", ".txt", ".webmanifest", ".map"]);
  const [br, gz] = [promisify(brotliCompress), promisify(gzip)];
  await Promise.all([...files].filter(([name]) => worth.has(extname(name))).map(async ([name, bytes]) => {
    const old = join(siteDir, `${name}.br`);
    // The name is the content: what an earlier run compressed under it need not be compressed again.
    const kept = existsSync(old) && existsSync(join(siteDir, `${name}.gz`));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    const forms = kept
      ? { br: readFileSync(old), gz: readFileSync(join(siteDir, `${name}.gz`)) }
      : { br: await br(bytes, { params }), gz: await gz(bytes, { level: 9 }) };
    for (const [suffix, form] of Object.entries(forms)) {
      if (form.length < bytes.length * 0.95) files.set(`${name}.${suffix}`, form);
    }
  }));
}

function write() {
  const names = Object.fromEntries([...manifest].sort(([a], [b]) => (a < b ? -1 : 1)));
  const wanted = new Map([...files, ["manifest.json", Buffer.from(`${JSON.stringify(names, null, 2)}\n`)]]);
  mkdirSync(siteDir, { recursive: true });
  for (const entry of readdirSync(siteDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !wanted.has(relative(siteDir, path))) rmSync(path);
  }
  // The manifest last: whoever sees its new names finds the files.
  for (const [name, bytes] of wanted) {
    const path = join(siteDir, name);
    if (existsSync(path) && readFileSync(path).equals(bytes)) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}

const links = await islands();
await bundle(links);
publicFiles();
await compress();
write();
