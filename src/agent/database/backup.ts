import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { type Environment, openStore } from '../../store/client.ts'
import { fromFuture, type StoreClock } from '../../store/clock.ts'
import { movedPast, moveOn } from '../../store/postgres-client.ts'
import { writeReceipt } from '../../store/receipt.ts'
import { listCopies, prune, receiptsOf, vouchesFor } from '../../store/retention.ts'
import { abortUploads, uploadVerified } from '../../store/upload.ts'
import { clockOfStore } from '../run/clock.ts'
import { ageVersion, encryptedName, encryptionDetails, isEncrypted } from '../run/encryption.ts'
import type { BucketPlace } from '../run/environment.ts'
import { lock } from '../run/lock.ts'
import { duration, log, progress, sized } from '../run/log.ts'
import { conclude, Failure, type Result } from '../run/outcome.ts'
import { keepPrivate } from '../run/private.ts'
import { requireProtection } from '../run/protection.ts'
import { agentVersions } from '../run/versions.ts'
import { markVolume, ownerIn, requireOwnVolume } from '../run/volume-mark.ts'
import { notHeldLine, quoted } from './dump-facts.ts'
import { type Dumped, dumpToFile, suffixOf } from './dump-stream.ts'
import { type Server, serverOf } from './postgres.ts'
import { dumpProgramFor, type Version } from './programs.ts'
import { databaseReceipts } from './receipt.ts'
import { inDatabase, openAnywhere } from './session.ts'
import { type DumpSettings, dumpSettings } from './settings.ts'
import { type Skipped, shortList, skippedInside, skippedOfServer } from './skipped.ts'
import { BackupVolume, dumpName, takenAt, type VolumeCopy, type VolumeReceipt } from './volume.ts'

export const command: CommandModule = {
  command: 'dump',
  describe: 'Dump a PostgreSQL server or database to the backup volume and the bucket',
  builder: yargs => yargs.example('$0 dump', 'what BACKUP_TYPE, PGHOST, DATABASE, … say'),
  handler: () => conclude('dump', process.env, stop => dump(process.env, stop)),
}

// A run of another tier on the same volume takes as long as a dump at most; a run of the same tier is left alone.
const WAIT_FOR_OTHER_TIERS_SECONDS = 3600

/** Run one tier, configured by the environment. */
export async function dump(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = dumpSettings(env)
  const volume = new BackupVolume(settings.volume, settings.system)
  const owner = ownerIn(env, settings.system)
  requireOwnVolume(settings.volume, owner)
  await volume.prepare(settings.tier)
  const clock = (settings.bucket && (await clockOfStore(env, settings.bucket.bucket))) ?? (await volume.clock())
  const start = clock.now()
  const who = `${settings.system}, ${settings.tier}`
  const letTierGo = await lock(join(settings.volume, settings.tier, '.lock'), who)
  const letVolumeGo = await lock(join(settings.volume, '.lock'), who, WAIT_FOR_OTHER_TIERS_SECONDS)
  try {
    markVolume(settings.volume, owner)
    await volume.removeLeftovers(settings.tier)
    const made =
      settings.tier === 'hourly'
        ? await newDump(settings, env, volume, { clock, start }, stop)
        : await promote(settings, volume)
    const prunedVolume = await volume.prune(settings.tier, settings.keep)
    if (prunedVolume.length > 0) log(`pruned from the volume: ${prunedVolume.join(', ')}`)
    const result: Result = {
      system: settings.system,
      tier: settings.tier,
      copy: made?.object.key ?? null,
      bytes: made?.bytes ?? 0,
      sha256: made?.object.sha256 ?? null,
      prunedVolume: prunedVolume.length,
    }
    if (settings.bucket) Object.assign(result, await toBucket(settings, settings.bucket, env, volume, start, stop))
    if (settings.sleepMinutes > 0) {
      log(`waiting ${settings.sleepMinutes} min, as BACKUP_PRE_EXIT_SLEEP_M says`)
      await sleep(settings.sleepMinutes * 60_000, undefined, { signal: stop })
    }
    const lacks = made?.details.lacks ?? []
    if (settings.tier === 'hourly' && lacks.length > 0) {
      throw new Failure(
        'dump',
        `the copy is stored, but it lacks ${lacks.join(', ')}. See the warnings in the log for what to do`,
      )
    }
    return { ...result, seconds: (clock.now().getTime() - start.getTime()) / 1000 }
  } finally {
    await letVolumeGo()
    await letTierGo()
  }
}

async function newDump(
  settings: DumpSettings,
  env: Environment,
  volume: BackupVolume,
  { clock, start }: { clock: StoreClock; start: Date },
  stop: AbortSignal,
): Promise<VolumeReceipt> {
  const server = serverOf(settings, env)
  const program = settings.database ? 'pg_dump' : 'pg_dumpall'
  const { recipients } = settings
  const plainName = dumpName(start, suffixOf(settings.compression))
  const name = recipients.length > 0 ? encryptedName(plainName) : plainName
  const file = volume.unfinished(settings.tier, name)
  try {
    const { version, options, database, skipped, roles } = await lookAt(settings, server)
    for (const [lacking, why] of skipped.databases) log(`warning: the database ${lacking} cannot be dumped: ${why}`)
    for (const what of shortList(skipped.notHeld)) log(`not in the dump: ${what}`)
    const client = await dumpProgramFor(program, version)
    log(`${program} ${client.version.text} on ${settings.host}, server ${version.text}`)
    const behind = movedPast(version.text, [client.version.text])
    if (behind) log(`warning: ${behind}; ${moveOn}`)
    const dumped = await dumpUnlocked(settings, server, {
      server,
      serverMajor: version.major,
      program: client.path,
      args: argumentsOf(settings, database, [...skipped.databases.keys()]),
      insert: insertOf(skipped),
      // Error messages in English: the code recognises the one for a table that no longer exists.
      env: { PGOPTIONS: options, LC_MESSAGES: 'C' },
      compression: settings.compression,
      recipients,
      file,
      stop,
      onProgress: progress(program),
    })
    const lacks = settings.database ? [] : await lackingIn(dumped, server, roles, skipped)
    const receipt: VolumeReceipt = {
      schema: 1,
      system: settings.system,
      kind: 'database',
      start: start.toISOString(),
      end: clock.now().toISOString(),
      taken: start.toISOString(),
      object: { key: name, bytes: dumped.bytes, sha256: dumped.sha256 },
      bytes: dumped.bytes,
      details: {
        tier: settings.tier,
        database: settings.database || null,
        plainBytes: dumped.plainBytes,
        ...encryptionDetails(recipients),
        ...(lacks.length > 0 && { lacks }),
      },
      previous: null,
      versions: {
        ...agentVersions(),
        ...(await ageVersion(recipients)),
        [program]: client.version.text,
        server: version.text,
      },
      counts: dumped.counts,
    }
    await volume.finish(settings.tier, receipt)
    const seconds = (clock.now().getTime() - start.getTime()) / 1000
    log(`${settings.tier}/${name}: ${sized(dumped.bytes)} of ${sized(dumped.plainBytes)} SQL, ${duration(seconds)}`)
    return receipt
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}

/** What is known about a server before it is dumped. No connection stays open while the dump runs. */
interface Look {
  version: Version
  /** `PGOPTIONS` for the dump program. */
  options: string
  /** The database that pg_dumpall connects to. */
  database: string
  skipped: Skipped
  roles: string[]
}

async function lookAt(settings: DumpSettings, server: Server): Promise<Look> {
  if (settings.database) {
    return await inDatabase(server, settings.database, async session => ({
      version: session.version,
      options: session.options,
      database: settings.database,
      skipped: { databases: new Map(), dumped: [], statements: [], notHeld: await skippedInside(session) },
      roles: [],
    }))
  }
  const { session, database } = await openAnywhere(server)
  try {
    const skipped = await skippedOfServer(server, session)
    const { version, options } = session
    return { version, options, database, skipped, roles: await session.column(ROLES) }
  } finally {
    await session.close()
  }
}

const ROLES = "select rolname::text from pg_roles where rolname not like 'pg\\_%'"

function insertOf({ databases, statements, notHeld }: Skipped): string {
  const lines = [...[...databases.keys()].map(name => `database ${name}`), ...shortList(notHeld)].map(notHeldLine)
  return [...lines, ...statements, ''].join('\n')
}

/** Databases and roles that were on the server before the dump and still are, but are missing from the dump. */
async function lackingIn(
  dumped: Dumped,
  server: Server,
  roles: readonly string[],
  skipped: Skipped,
): Promise<string[]> {
  const { session } = await openAnywhere(server)
  try {
    const before = [...skipped.databases.keys(), ...skipped.dumped]
    const databases = await session.column(
      'select datname::text from pg_database where datname = any($1) and not datname = any($2) order by 1',
      [before, dumped.databases],
    )
    const there = new Set(await session.column(ROLES))
    const lost = roles.filter(name => there.has(name) && !dumped.roles.includes(name))
    return [...databases.map(name => `database ${name}`), ...lost.map(name => `role ${name}`)]
  } finally {
    await session.close()
  }
}

function argumentsOf({ database, lockWaitSeconds }: DumpSettings, home: string, without: readonly string[]): string[] {
  // As a connection string, because a name such as "a=b" would be read as one.
  const connection = (name: string): string => `dbname='${name.replaceAll(/['\\]/g, '\\$&')}'`
  const wait = `--lock-wait-timeout=${lockWaitSeconds}s`
  if (!database) {
    const excluded = without.map(name => `--exclude-database=${quoted(name)}`)
    return ['--no-password', wait, '--clean', '--if-exists', `--database=${connection(home)}`, ...excluded]
  }
  // \\connect cannot take a name with a line break, so pg_dump refuses to write what --create adds.
  return ['--no-password', wait, ...(/[\r\n]/.test(database) ? [] : ['--create']), `--dbname=${connection(database)}`]
}

// If a table is dropped between pg_dump's listing and its lock, the dump fails. It does so before it writes anything of
// that database, so a retry is cheap.
const TRIES = 10
const GONE =
  /does not exist|could not open relation with OID|cache lookup failed|could not find|deadlock detected|was concurrently|tuple concurrently/

async function dumpWithRetries(request: Parameters<typeof dumpToFile>[0]): Promise<Dumped> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dumpToFile(request)
    } catch (error) {
      const changed = error instanceof Failure && error.kind === 'dump' && GONE.test(error.message)
      if (!changed || attempt === TRIES) throw error
      log(`an object was dropped during the dump, trying again (${attempt + 1} of ${TRIES}): ${error.message}`)
      await rm(request.file, { force: true })
    }
  }
}

// pg_dump waits for its locks by this setting.
const LOCKED = /canceling statement due to (?:statement|lock) timeout/

/**
 * Dump, and if a table stays locked, say by whom. A dump that waits holds locks of its own: it must not wait for long, or
 * everything that needs them waits behind it.
 */
async function dumpUnlocked(
  { lockWaitSeconds }: DumpSettings,
  server: Server,
  request: Parameters<typeof dumpToFile>[0],
): Promise<Dumped> {
  try {
    return await dumpWithRetries(request)
  } catch (error) {
    if (!(error instanceof Failure) || !LOCKED.test(error.message)) throw error
    const { session } = await openAnywhere(server)
    try {
      const holders = await session.column(HOLDERS)
      throw new Failure(
        'dump',
        `a table stayed locked for ${lockWaitSeconds} s (BACKUP_LOCK_WAIT_S): ${error.message}. Exclusive locks are held by ${holders.join('; ') || 'nobody now'}. End what no longer works, and run again`,
        { cause: error },
      )
    } finally {
      await session.close()
    }
  }
}

/** Who holds locks on tables that exclude reading them; a prepared transaction has no session. */
const HOLDERS = `
  select distinct concat_ws(' ', coalesce('the prepared transaction ' || gid, format('the session %s of %s', l.pid, a.usename)),
    'in the database ' || d.datname, 'since ' || to_char(coalesce(prepared, xact_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  from pg_locks l left join pg_database d on d.oid = l.database
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_locks own on own.virtualtransaction = l.virtualtransaction and own.locktype = 'transactionid' and l.pid is null
    left join pg_prepared_xacts p on p.transaction = own.transactionid
  where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.granted and l.pid is distinct from pg_backend_pid()`
/** Copy the oldest verified copy of the previous tier, once that tier is full. */
async function promote(settings: DumpSettings, volume: BackupVolume): Promise<VolumeReceipt | undefined> {
  const { prior, tier } = settings
  const verified = (await volume.copies(prior.tier)).filter(isVerified)
  const oldest = verified[0]
  if (!oldest || verified.length < prior.count) {
    log(`nothing to do: ${prior.tier} holds ${verified.length} verified copies, ${prior.count} are needed`)
    return undefined
  }
  if ((await volume.copies(tier)).some(copy => copy.name === oldest.name && copy.receipt)) {
    log(`nothing to do: ${tier}/${oldest.name} already exists`)
    return oldest.receipt
  }
  await volume.promote(oldest, tier)
  log(`${tier}/${oldest.name}: copied from ${prior.tier}`)
  return oldest.receipt
}

function isVerified(copy: VolumeCopy): copy is VolumeCopy & { receipt: VolumeReceipt } {
  return copy.receipt !== undefined
}

/** What was made before a system's copies were encrypted does not go to the bucket any more. */
function mayLeave({ name }: VolumeCopy, { tier, recipients }: DumpSettings): boolean {
  if (recipients.length === 0 || isEncrypted(name)) return true
  log(`${tier}/${name} stays on the volume: it is not encrypted, and BACKUP_RECIPIENTS says that copies are`)
  return false
}

/**
 * Upload every verified copy of the tier that has no receipt in the bucket, newest first: this run's, and those of runs
 * that only reached the volume. Then prune the bucket.
 */
async function toBucket(
  settings: DumpSettings,
  place: BucketPlace,
  env: Environment,
  volume: BackupVolume,
  start: Date,
  stop: AbortSignal,
): Promise<Result> {
  const { system, tier } = settings
  const { bucket } = place
  const prefix = [...(place.path ? [place.path] : []), tier, ''].join('/')
  const store = openStore(env)
  await requireProtection(store, bucket)
  const aborted = await abortUploads(store, { bucket, prefix })
  if (aborted > 0) log(`aborted ${aborted} unfinished uploads of killed runs in ${bucket}/${prefix}`)
  const copies = { bucket, system, prefix, takenAt: (key: string) => takenAt(key.slice(prefix.length)) }
  const onVolume = await volume.copies(tier)
  const inBucket = await listCopies(store, copies)
  const { receipts, problems } = await receiptsOf(store, copies, [...onVolume, ...inBucket])
  for (const problem of problems) log(problem)
  for (const { key, taken, modified, fromFuture: ahead } of inBucket) {
    if (ahead) log(fromFuture(`${bucket}/${key}`, taken, modified))
  }
  const missing = onVolume
    .filter(isVerified)
    .filter(copy => !vouchesFor(receipts, { key: prefix + copy.name, bytes: copy.bytes }))
    .filter(copy => mayLeave(copy, settings))
    .reverse()
    .slice(0, settings.keep)
  // A copy without a receipt is of the image in use before, which opens it to everyone.
  const last = new Date(receipts[0]?.receipt.end ?? 0)
  const adopting = inBucket.some(copy => copy.modified > last && !vouchesFor(receipts, copy))
  await keepPrivate(store, bucket, { objects: adopting })
  let began = start
  for (const copy of missing) {
    const object = await uploadVerified(store, {
      bucket,
      key: prefix + copy.name,
      file: copy.path,
      sha256: copy.receipt.object.sha256,
      onProgress: progress(`upload of ${copy.name}`, copy.bytes),
      stop,
    })
    const written = await writeReceipt(
      store,
      databaseReceipts,
      {
        system,
        start: began.toISOString(),
        end: store.clock.now().toISOString(),
        taken: copy.receipt.start,
        bucket,
        object: { key: object.key, bytes: object.bytes, sha256: object.sha256, etag: object.etag },
        bytes: object.bytes,
        versions: copy.receipt.versions,
        counts: copy.receipt.counts,
        details: { ...copy.receipt.details, tier, database: settings.database || null },
      },
      receipts[0],
    )
    receipts.unshift(written)
    log(`${bucket}/${object.key}: verified, receipt ${written.key}`)
    began = store.clock.now()
  }
  const removed = await prune(store, { ...copies, keep: settings.keep, receipts })
  if (removed.length > 0) log(`pruned from the bucket: ${removed.join(', ')}`)
  return { bucket, prefix, uploaded: missing.length, prunedBucket: removed.length, receipt: receipts[0]?.key ?? null }
}
