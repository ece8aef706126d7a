import { describe, expect, it } from 'vitest'
import { assess, duration, type Expected, type Observed } from '../../../src/store/assess.ts'
import type { StoredReceipt } from '../../../src/store/receipt.ts'
import { at, observed, type Run, receiptsOf } from '../../support/receipts.ts'

const DAY = 86_400_000
const now = at('2026-11-25T08:30:00Z')
const expected: Expected = {
  system: 'db',
  bucket: 'db-backup',
  keeps: { copies: 28 },
  writesReceipts: true,
  endsWithinMs: 20 * 3_600_000,
  dueBy: taken => new Date(taken.getTime() + DAY + 13 * 3_600_000),
  drillDueBy: last => new Date(last.getTime() + 14 * DAY),
}
const place = {
  system: 'db',
  bucket: 'db-backup',
  kind: 'database',
  keyOf: (taken: Date) => `hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`,
}

/** Nightly runs, the last of them today; `change` modifies each by its age in days. */
function nightly(days: number, change: (age: number) => Partial<Run> = () => ({})): StoredReceipt[] {
  return receiptsOf(
    place,
    Array.from({ length: days }, (_, index) => {
      const age = days - 1 - index
      return {
        taken: new Date(at('2026-11-25T03:07:02Z').getTime() - age * DAY),
        bytes: 1_000_000 + index * 1000,
        ...change(age),
      }
    }),
  )
}

const drills = receiptsOf({ ...place, system: 'drill.db' }, [{ taken: at('2026-11-22T05:30:00Z') }])
const healthy = observed(nightly(28), { drills })

/** A check that read back the newest copy, or one that is gone, with what it found damaged. */
function checks(which: 'hourly' | 'gone', ...damaged: readonly string[]): StoredReceipt[] {
  const taken = at('2026-11-25T03:07:02Z')
  const keyOf = which === 'gone' ? () => 'hourly/gone' : () => place.keyOf(taken)
  const [stored] = receiptsOf({ ...place, system: 'drill.db', kind: 'check', keyOf }, [
    { taken: at('2026-11-22T12:00:00Z'), counts: { damaged: damaged.length } },
  ])
  const { receipt } = stored as StoredReceipt
  const details = { damaged: damaged.map(why => ({ key: receipt.object.key, why })) }
  return [{ ...(stored as StoredReceipt), receipt: { ...receipt, details } }]
}

const told = (bucket: Observed, more: Partial<Expected> = {}, when = now) =>
  assess({ ...expected, ...more }, bucket, when).findings.map(
    ({ id, message, since }) => `${id}: ${message}${since ? ` (since ${since.toISOString()})` : ''}`,
  )

const without = (bucket: Observed, newest: number): Observed => ({
  ...bucket,
  objects: bucket.objects.filter((_, i) => i !== newest),
})
const changed = (bucket: Observed, newest: number, change: object): Observed => ({
  ...bucket,
  objects: bucket.objects.map((object, i) => (i === newest ? { ...object, ...change } : object)),
})

describe('no finding', () => {
  it('in a healthy bucket', () => {
    expect(told(healthy)).toEqual([])
    const { good, dueBy, until } = assess(expected, healthy, now)
    expect(good).toHaveLength(28)
    expect(dueBy).toEqual(at('2026-11-26T16:07:02Z'))
    expect(until).toEqual(dueBy)
  })

  it('in a new system that is still filling up, and whose first drill is not due', () => {
    expect(told(observed(nightly(5)))).toEqual([])
  })

  it('when receipts older than the copies expired', () => {
    const receipts = nightly(40)
    expect(
      told({ ...observed(receipts.slice(0, 35), { drills }), objects: observed(receipts).objects.slice(0, 28) }),
    ).toEqual([])
  })

  it('when many receipts name the one manifest of a tree that did not change', () => {
    const manifest = '.manifests/db/2026-10-29T03:07:02.000Z.jsonl.gz'
    const receipts = receiptsOf(
      { ...place, keyOf: () => manifest },
      nightly(28)
        .map(({ receipt }) => ({ taken: at(receipt.taken) }))
        .reverse(),
    )
    const bucket = { ...observed(receipts, { drills }), objects: observed(receipts).objects.slice(0, 1) }
    expect(told(bucket, { keeps: { days: 30 } })).toEqual([])
    expect(assess(expected, bucket, now).good[0]?.from).toEqual(at('2026-10-29T03:07:02Z'))
  })

  it('when a receipt was set aside by a person', () => {
    const receipts = healthy.receipts.toSpliced(4, 1)
    const setAside = [(healthy.receipts[4] as StoredReceipt).sha256]
    expect(told({ ...healthy, receipts, setAside }, { keeps: { copies: 27 } })).toEqual([])
  })

  it('when the size varies as it always did', () => {
    const receipts = nightly(28, age => ({ bytes: age % 2 ? 1_000_000 : 1_600_000 }))
    expect(told(observed(receipts, { drills }))).toEqual([])
  })
})

describe('a bucket made wrong in one way has one finding', () => {
  it.each<[string, Observed, Partial<Expected>, string[]]>([
    ['empty', observed([]), {}, ['no-copy: db-backup holds no copy and no receipt']],
    [
      'every copy deleted',
      { ...healthy, objects: [] },
      {},
      ['no-copy: none of the 28 copies that have a receipt is left in db-backup (since 2026-11-25T03:12:02.000Z)'],
    ],
    [
      'the newest copy deleted',
      without(healthy, 0),
      { keeps: { copies: 27 } },
      [
        'newest-copy-lost: db-backup/hourly/backup-2026-11-25T03:07:02Z-dumpall.sql.gz is missing, although it has a receipt',
      ],
    ],
    [
      'the newest copy replaced',
      changed(healthy, 0, { bytes: 12, etag: 'x', modified: at('2026-11-25T04:00:00Z') }),
      { keeps: { copies: 27 } },
      [
        expect.stringMatching(
          /^newest-copy-lost: .*-dumpall.sql.gz has 12 bytes with ETag x, its receipt says 1027000 bytes with \w+ \(since 2026-11-25T04:00:00.000Z\)$/,
        ) as unknown as string,
      ],
    ],
    [
      'an older copy deleted',
      without(healthy, 9),
      { keeps: { copies: 27 } },
      ['copy-lost: db-backup/hourly/backup-2026-11-16T03:07:02Z-dumpall.sql.gz is missing, although it has a receipt'],
    ],
    [
      'files missing from the newest copy',
      observed(
        nightly(28, age => ({ counts: age < 1 ? { files: 9, missing: 2 } : { files: 9 } })),
        { drills },
      ),
      {},
      ['incomplete: the newest copy of db lacks 2 files (since 2026-11-25T03:12:02.000Z)'],
    ],
    [
      'no run for two days',
      observed(nightly(30).slice(2), { drills }),
      {},
      [
        'overdue: the newest copy is 2 d 5 h old; the next was due by 2026-11-24T16:07:02Z (since 2026-11-24T16:07:02.000Z)',
      ],
    ],
    [
      'fewer than promised, though older ones were pruned',
      { ...observed(nightly(35), { drills }), objects: observed(nightly(35)).objects.slice(0, 20) },
      {},
      ['too-few-copies: 20 of 28 copies are there, the oldest taken at 2026-11-06T03:07:02Z'],
    ],
    [
      'more data lost than promised',
      observed(nightly(28), { drills }),
      { loseAtMostMs: 5 * 3_600_000 },
      ['promise-broken: 5 h 22 min of data would be lost now, `loseAtMost` is 5 h (since 2026-11-25T08:07:02.000Z)'],
    ],
    [
      'not reaching back as promised',
      { ...observed(nightly(35), { drills }), objects: observed(nightly(35)).objects.slice(0, 28) },
      { restorableAt: () => at('2026-10-28T08:30:00Z') },
      [
        'promise-broken: the oldest copy was taken at 2026-10-29T03:07:02Z; by `restorableFor` a restore must reach back to 2026-10-28T08:30:00Z',
      ],
    ],
    [
      'a receipt removed that was seen before',
      { ...healthy, receipts: healthy.receipts.slice(1), removed: healthy.receipts.slice(0, 1) },
      { keeps: { copies: 27 } },
      ['chain-broken: .receipts/db/2026-11-25T03:07:02.000Z.json existed and is missing now'],
    ],
    [
      'a receipt between two others removed',
      { ...healthy, receipts: healthy.receipts.toSpliced(4, 1) },
      { keeps: { copies: 27 } },
      [
        'chain-broken: .receipts/db/2026-11-22T03:07:02.000Z.json does not follow .receipts/db/2026-11-20T03:07:02.000Z.json: one of them was changed, or one between them removed',
      ],
    ],
    [
      'something among the receipts that is none',
      { ...healthy, unreadable: ['db-backup/x is not a receipt'] },
      {},
      ['receipt-invalid: db-backup/x is not a receipt'],
    ],
    [
      'a receipt from the future',
      { ...healthy, fromFuture: [{ message: 'is dated 2027', since: now }] },
      {},
      ['from-the-future: is dated 2027 (since 2026-11-25T08:30:00.000Z)'],
    ],
    [
      'no drill for 15 days',
      { ...healthy, drills: receiptsOf({ ...place, system: 'drill.db' }, [{ taken: at('2026-11-10T05:30:00Z') }]) },
      {},
      [
        'drill-overdue: the last drill was 15 d 2 h ago; the next was due by 2026-11-24T05:35:00Z (since 2026-11-24T05:35:00.000Z)',
      ],
    ],
    [
      'never a drill',
      { ...healthy, drills: [] },
      {},
      [
        'drill-overdue: no copy was ever restored in a drill; the first was due by 2026-11-12T03:12:02Z (since 2026-11-12T03:12:02.000Z)',
      ],
    ],
    [
      'a run that was killed',
      { ...healthy, unfinished: ['.receipts/db/2026-11-24T03:07:00.000Z.unfinished'] },
      {},
      [
        'run-unfinished: the run of 2026-11-24T03:07:00.000Z left .receipts/db/2026-11-24T03:07:00.000Z.unfinished (since 2026-11-24T23:07:00.000Z)',
      ],
    ],
    [
      'a copy that was read back and is damaged',
      { ...healthy, drills: [...drills, ...checks('hourly', 'its content is damaged', 'its content is damaged')] },
      {},
      [
        `damaged: db-backup/${healthy.objects[0]?.key}: its content is damaged, and 1 more objects are damaged (since 2026-11-22T12:05:00.000Z)`,
      ],
    ],
    ['a damaged copy that is gone', { ...healthy, drills: [...drills, ...checks('gone', 'damaged')] }, {}, []],
    [
      'a damaged copy that a later check found good',
      { ...healthy, drills: [...drills, ...checks('hourly'), ...checks('hourly', 'damaged')] },
      {},
      [],
    ],
    [
      'a bucket that others may read',
      { ...healthy, open: ['anybody can list it without a key'] },
      {},
      ['not-private: db-backup: anybody can list it without a key'],
    ],
    [
      'a bucket that keeps no versions',
      { ...healthy, unprotected: ['its versioning is off'] },
      {},
      ['unprotected: db-backup: its versioning is off'],
    ],
    ['abandoned uploads', { ...healthy, leftovers: ['holds 2 uploads'] }, {}, ['leftovers: db-backup holds 2 uploads']],
    [
      'a guard that was not disarmed',
      { ...healthy, guarded: ['.receipts/db/2026-11-25T03:07:00.000Z.guarded'] },
      {},
      [
        'guard-acted: the guard was armed at 2026-11-25T03:07:00Z, and its run did not disarm it: .receipts/db/2026-11-25T03:07:00.000Z.guarded (since 2026-11-25T03:07:00.000Z)',
      ],
    ],
    [
      'a guard that was armed just now',
      { ...healthy, guarded: ['.receipts/db/2026-11-25T08:07:00.000Z.guarded'] },
      {},
      [],
    ],
    [
      'the copy is half its size since two days',
      observed(
        nightly(28, age => (age < 2 ? { bytes: 500_000 } : {})),
        { drills },
      ),
      {},
      ['shrunk: bytes 1025000 → 500000 (since 2026-11-24T03:12:02.000Z)'],
    ],
    [
      'a table lost its rows, the size did not tell',
      observed(
        nightly(28, age => ({ counts: { databases: 3, 'rows of frag.public.target': age < 1 ? 0 : 5000 } })),
        { drills },
      ),
      {},
      ['shrunk: rows of frag.public.target 5000 → 0 (since 2026-11-25T03:12:02.000Z)'],
    ],
    [
      'the copy is three times its size',
      observed(
        nightly(28, age => (age < 1 ? { bytes: 3_000_000 } : {})),
        { drills },
      ),
      {},
      ['grown: bytes 1026000 → 3000000 (since 2026-11-25T03:12:02.000Z)'],
    ],
    [
      'runs take three times as long',
      observed(
        nightly(28, age => (age < 3 ? { seconds: 900 } : {})),
        { drills },
      ),
      {},
      ['slower: 15 min in the last runs, 5 min before (since 2026-11-23T03:22:02.000Z)'],
    ],
    [
      'outages of 20 s instead of 4',
      observed(
        nightly(28, age => ({ outage: age < 3 ? 20 : 4 })),
        { drills },
      ),
      {},
      ['longer-outage: 20 s in the last runs, 4 s before (since 2026-11-23T03:12:02.000Z)'],
    ],
  ])('%s', (_, bucket, more, findings) => {
    expect(told(bucket, more)).toEqual(findings)
  })

  it('a server that has moved past the client of its own major version', () => {
    const runs = (server: string) =>
      nightly(28).map(stored => ({
        ...stored,
        receipt: { ...stored.receipt, versions: { pg_dumpall: '17.10', server } },
      })) as StoredReceipt[]
    const behind = (server: string) =>
      told(observed(runs(server), { drills })).filter(finding => finding.startsWith('client-behind'))
    expect(behind('17.10')).toEqual([])
    expect(behind('17.12')).toEqual([
      "client-behind: the PostgreSQL client 17.10 is older than the server's 17.12 (since 2026-11-25T03:07:02.000Z)",
    ])
  })

  it('a receipt in the folder of another system', () => {
    const [stray] = receiptsOf({ ...place, system: 'other' }, [{ taken: at('2026-11-25T05:00:00Z') }])
    const bucket = { ...healthy, receipts: [...healthy.receipts, stray as StoredReceipt] }
    expect(told(bucket)).toContain(
      'receipt-invalid: .receipts/other/2026-11-25T05:00:00.000Z.json is the receipt of other in db-backup (since 2026-11-25T05:00:00.000Z)',
    )
  })

  it('two receipts that say different things about one object', () => {
    const [newest, ...rest] = healthy.receipts as [StoredReceipt, ...StoredReceipt[]]
    const { key } = (rest[0] as StoredReceipt).receipt.object
    const twisted = {
      ...newest,
      receipt: { ...newest.receipt, object: { ...newest.receipt.object, key } },
    } as StoredReceipt
    expect(told({ ...healthy, receipts: [twisted, ...rest] })).toContainEqual(
      expect.stringContaining(`say different things about ${key}`),
    )
  })
})

describe('copies of the old images, which write no receipts', () => {
  const old: Observed = { ...healthy, receipts: [] }

  it('are a finding if the agent should make them', () => {
    expect(told(old)).toEqual([
      'no-receipts: 28 copies, by their names; the newest, hourly/backup-2026-11-25T03:07:02Z-dumpall.sql.gz, was taken at 2026-11-25T03:07:02Z',
    ])
  })

  it('are none if the config names an old image, as long as they are new enough by their names', () => {
    expect(told(old, { writesReceipts: false })).toEqual([])
    expect(told({ ...old, objects: old.objects.slice(3) }, { writesReceipts: false })[0]).toContain(
      'overdue: the newest copy is 3 d 5 h old, judged by its name only',
    )
  })

  it('never hide that the newest copy with a receipt is too old', () => {
    const bucket = { ...observed(nightly(31).slice(3), { drills }), objects: observed(nightly(31)).objects }
    expect(told(bucket)).toEqual([
      expect.stringMatching(
        /^overdue: the newest copy is 3 d 5 h old; .*; hourly\/backup-2026-11-25T03:07:02Z-dumpall.sql.gz is newer and has no receipt/,
      ),
    ])
  })
})

it('findings come worst first', () => {
  const bucket = { ...without(healthy, 9), drills: [], unreadable: ['x is not a receipt'] }
  expect(assess({ ...expected, keeps: { copies: 27 } }, bucket, now).findings.map(({ id }) => id)).toEqual([
    'receipt-invalid',
    'copy-lost',
    'drill-overdue',
  ])
})

it.each([
  [0, '0 s'],
  [42_000, '42 s'],
  [4_200_000, '1 h 10 min'],
  [2 * DAY + 30_000, '2 d'],
  [2 * DAY + 3 * 3_600_000 + 59_000, '2 d 3 h'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})
