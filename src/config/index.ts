export { checkConfig } from './check.ts'
export { initialConfig, questions, wrongAnswer } from './initial.ts'
export { loadConfig, withLines } from './load.ts'
export { type Config, defineConfig } from './schema.ts'
