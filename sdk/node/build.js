// SPDX-License-Identifier: Apache-2.0
// Builds dist/esm and dist/cjs from src. POSTERN_TYPESCRIPT names a compiler's folder other than node_modules/typescript.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const compiler = join(process.env.POSTERN_TYPESCRIPT ?? join(here, "node_modules/typescript"), "lib/tsc.js");
const dist = join(here, "dist");

rmSync(dist, { recursive: true, force: true });
for (const [project, folder, type] of [["tsconfig.json", "esm", "module"], ["tsconfig.cjs.json", "cjs", "commonjs"]]) {
  const out = join(dist, folder);
  execFileSync(process.execPath, [compiler, "-p", join(here, project), "--outDir", out], { stdio: "inherit" });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "package.json"), `{"type":"${type}"}\n`);
}
