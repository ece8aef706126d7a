export { checkConfig } from './check.ts'
export { loadConfig } from './load.ts'
export { type Config, defineConfig } from './schema.ts'
