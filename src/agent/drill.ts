import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { newestCopy, type Receipt, readReceipts } from '../store/receipt.ts'
import { agentKinds, receiptKinds } from './kinds.ts'
import { startTime } from './run/clock.ts'
import { writeDrillReceipt } from './run/drill-receipt.ts'
import { bucketPlace, Variables } from './run/environment.ts'
import { duration, log } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'

export const command: CommandModule = {
  command: 'drill',
  describe: 'Restore the newest copy into scratch space, check it, and write a receipt of the drill',
  builder: yargs =>
    yargs
      .example(
        'BACKUP_SYSTEM=… USE_RCLONE=yes USE_RCLONE_BUCKET_AND_PATH=… $0 drill',
        'a dump, into a temporary server',
      )
      .example(
        'BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_DRILL_PERCENT=5 $0 drill',
        'five percent of the media, a different part each time',
      ),
  handler: () => conclude('drill', process.env, stop => drill(process.env, stop)),
}

/**
 * Restore the copy that the newest receipt vouches for, measure how long it takes, and write a receipt of the drill.
 *
 * @throws Failure drill when what was restored does not match the receipt
 */
export async function drill(env: Environment, stop: AbortSignal): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copy is restored')
  const scratch = variables.optional('BACKUP_SCRATCH') ?? '/scratch'
  const place = env.S3_BUCKET_NAME ? 'S3_BUCKET_NAME' : 'USE_RCLONE_BUCKET_AND_PATH'
  const { bucket } = bucketPlace(variables.required(place, 'the bucket of the copies'))
  variables.check()
  const began = performance.now()
  const store = openStore(env)
  const start = await startTime(store, bucket, stop)
  const receipt = await newestOf(store, bucket, system)
  const kind = agentKinds.find(({ receipts }) => receipts.kind === receipt.kind)
  if (!kind?.drill)
    throw new Failure('environment', `the drill of a copy of ${receipt.kind} is another command: see --help`)
  log(`drill with ${receipt.object.key}, taken ${receipt.taken}`)
  const folder = join(scratch, 'drill')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  try {
    const drilled = await kind.drill({ receipt, store, env, folder, stop })
    const seconds = (performance.now() - began) / 1000
    const written = await writeDrillReceipt(store, receipt, { start, seconds, ...drilled })
    log(`restored the copy of ${receipt.taken} in ${duration(seconds)}`)
    return { system, copy: receipt.object.key, taken: receipt.taken, ...drilled.details, seconds, receipt: written }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function newestOf(store: Store, bucket: string, system: string): Promise<Receipt> {
  const { receipts, problems } = await readReceipts(store, { bucket, system, kinds: receiptKinds })
  for (const problem of problems) log(problem)
  const newest = newestCopy(receipts)
  if (!newest) throw new Failure('restore', `${bucket} has no receipt of ${system}: run the backup first`)
  return newest.receipt
}
