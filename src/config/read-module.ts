// Runs in a process of its own: reads a config file and writes its value, or what is wrong with it, as JSON to the
// descriptor 3. Whatever the file does (exit, hang, use up the memory) affects this process only.
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { ReadModule } from './load.ts'

const [file = ''] = process.argv.slice(2)
const address = pathToFileURL(file).href

/** The first line of the file that a stack names, `12:3`. */
function lineIn(error: unknown): number | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const escaped = [address, file].map(text => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const line = new RegExp(`(?:${escaped.join('|')}):(\\d+)`).exec(stack)?.[1]
  return line === undefined ? undefined : Number(line)
}

async function read(): Promise<ReadModule> {
  let module: { default?: unknown }
  try {
    module = (await import(address)) as { default?: unknown }
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return { problem: `cannot be read: ${reason}`, line: lineIn(error) }
  }
  const value = module.default
  if (value === undefined) return { problem: 'has no default export' }
  if (value instanceof Promise) return { problem: 'exports a promise; it must export the config itself' }
  try {
    return { value: JSON.parse(JSON.stringify(value, onlyData)) as unknown }
  } catch (error) {
    return { problem: `does not export plain data: ${error instanceof Error ? error.message.split('\n')[0] : ''}` }
  }
}

function onlyData(key: string, value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
    throw new Error(`\`${key}\` is a ${typeof value}`)
  }
  if (value instanceof Promise) throw new Error(`\`${key}\` is a promise`)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`\`${key}\` is ${value}`)
  return value
}

writeFileSync(3, JSON.stringify(await read()))
process.exit(0)
