export { checkConfig } from './check.ts'
export { type Loaded, loadConfig } from './load.ts'
export { type Config, defineConfig } from './schema.ts'
