import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

/** One figure of a benchmark, as `npm run bench` prints it. */
export interface Row {
  bench: string
  /** `ours`, `today` (the old images), `limit`, or a variant. */
  way: string
  seconds: number
  requests?: number
  cpuSeconds?: number
  /** Of the largest process. */
  peakMb?: number
}

/** The resources used by a command. */
export type Cost = Required<Pick<Row, 'seconds' | 'cpuSeconds' | 'peakMb'>>

// Node cannot query the resource usage of its children. The memory is that of the largest single process.
const RUSAGE = `
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[2:])
seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cost = dict(seconds=seconds, cpuSeconds=used.ru_utime + used.ru_stime, peakMb=used.ru_maxrss / 1024)
json.dump(cost, open(sys.argv[1], 'w'))
sys.exit(code)
`

/**
 * Run a command and measure it.
 * @throws with its output if it fails
 */
export async function measure(command: string[], env: Record<string, string>): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  try {
    const cost = join(folder, 'cost')
    const environment = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/root', ...env }
    await execa('python3', ['-c', RUSAGE, cost, ...command], { env: environment, extendEnv: false, stdin: 'ignore' })
    return JSON.parse(await readFile(cost, 'utf8')) as Cost
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The run with the median time. */
export function middle<T extends { seconds: number }>(runs: readonly T[]): T {
  const sorted = [...runs].sort((a, b) => a.seconds - b.seconds)
  const found = sorted[Math.floor((sorted.length - 1) / 2)]
  if (!found) throw new Error('nothing was measured')
  return found
}

/** Round to three significant digits: the runs are not reproducible to more. */
export function rounded(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' ? Number(value.toPrecision(3)) : value,
    ]),
  ) as unknown as Row
}
