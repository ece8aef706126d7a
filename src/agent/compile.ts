import { globSync } from 'node:fs'
import { join } from 'node:path'

/** Loads every module of the agent once, so that Node stores the compiled code in NODE_COMPILE_CACHE. For image builds. */
for (const file of globSync('**/*.ts', { cwd: import.meta.dirname })) {
  if (file !== 'main.ts' && file !== 'compile.ts') await import(join(import.meta.dirname, file))
}
