import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Problem } from '../report/problem.ts'
import { checkConfig } from './check.ts'
import type { Config } from './schema.ts'

/** What `loadConfig` found; `config` is there when no problem is an error. */
export interface Loaded {
  readonly config?: Config
  readonly problems: readonly Problem[]
}

/** Reads a config file (a TypeScript or JavaScript module with a default export) and checks it. Never throws. */
export async function loadConfig(file: string): Promise<Loaded> {
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return broken(file, `cannot be read: ${reason}`, 'mend the file, or name another one with --config')
  }
  if (module.default === undefined) {
    return broken(file, 'has no default export', 'write `export default defineConfig({ … })`')
  }
  return checkConfig(module.default, file)
}

function broken(file: string, message: string, suggest: string): Loaded {
  return {
    problems: [{ ruleId: 'config-unreadable', severity: 'error', location: { file, path: '' }, message, suggest }],
  }
}
