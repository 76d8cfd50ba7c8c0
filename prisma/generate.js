// Writes src/store/generated, and only where it is not of this schema yet: npx installs the project that it is started in as if it were
// a dependency, so that this runs beside processes that read those files. Prisma deletes them all before it writes them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = join(root, 'src/store/generated');
const stamp = join(generated, 'of.txt');

const packaged = createRequire(import.meta.url).resolve('prisma/package.json');
const content = [packaged, join(root, 'prisma/schema.prisma')].map((file) => readFileSync(file));
const of = `${createHash('sha256').update(content[0]).update(content[1]).digest('hex')}\n`;

if (!existsSync(join(generated, 'client.ts')) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== of) {
  const program = join(dirname(packaged), JSON.parse(String(content[0])).bin.prisma);
  const { status } = spawnSync(process.execPath, [program, 'generate', '--no-hints'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, of);
}
