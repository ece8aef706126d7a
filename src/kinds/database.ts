import Type from 'typebox'
import {
  clusterGoodCopy,
  cronjobCopies,
  cronjobNames,
  cronjobVariables,
  imageFindings,
  inCluster,
  ownImages,
  runNowTemplate,
  storeEnvironment,
} from './cronjob.ts'
import {
  encryptEnvironment,
  encryptFindings,
  encryptSchema,
  identityOf,
  keepKey,
  keyNeeded,
  openByHand,
  openedBy,
} from './encrypt.ts'
import {
  clusterFields,
  commonFields,
  type Surroundings,
  type SystemKind,
  secretKeySchema,
  volumeSchema,
} from './kind.ts'
import type { JobOption, OptionTable } from './options.ts'
import {
  agentUser,
  clusterCredential,
  drillSchedule,
  drillTemplate,
  type RunAs,
  restoreTable,
  restoreTemplate,
  systemVariables,
  verifyTable,
  verifyTemplate,
} from './restore.ts'
import { byHand, confirmation, kubectl, launch, portOf, shellWord } from './runbook.ts'
import { secondCopyTemplates } from './second.ts'
import { volumeFindings, volumePlace, volumeText } from './volume.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('database', { description: 'A PostgreSQL server or database: a dump' }),
    ...commonFields,
    ...clusterFields,
    service: Type.String({
      description: "The PostgreSQL server's Service in the namespace",
      format: 'kubernetes-service',
    }),
    user: Type.Union([Type.String({ format: 'postgres-name' }), secretKeySchema], {
      description: "The server's admin user: a name, or a key of a Secret",
    }),
    password: Type.Object(secretKeySchema.properties, {
      additionalProperties: false,
      description: "The key of a Secret with the admin user's password",
    }),
    database: Type.Optional(
      Type.String({
        description: 'One database (`pg_dump`). Left out: the whole server (`pg_dumpall`)',
        format: 'postgres-name',
      }),
    ),
    volume: Type.Union(volumeSchema.anyOf, { description: 'The volume that the dumps are written to' }),
    compression: Type.Optional(
      Type.Enum(['gzip', 'zstd'], { description: 'How the dumps are compressed. Default: `gzip`' }),
    ),
    encrypt: Type.Optional(encryptSchema),
  },
  { additionalProperties: false },
)
export type DatabaseSystem = Type.Static<typeof schema>

const from: JobOption = {
  name: 'from',
  question: 'From where?',
  help: 'Where the copy is read from: the bucket, or the backup volume in the cluster, which is nearer',
  type: 'choice',
  choices: ['bucket', 'volume'],
  default: 'bucket',
  environment: 'RESTORE_FROM',
}
const oneDatabase: JobOption = {
  name: 'database',
  question: 'Only one database?',
  help: "The name of one database of a whole server's copy; empty restores all databases and roles",
  type: 'text',
  default: '',
  environment: 'DATABASE',
}
const target: readonly JobOption[] = [
  {
    name: 'into',
    question: 'Under another name?',
    help: 'Restore one database under this name beside the existing one; empty replaces it',
    type: 'text',
    default: '',
    environment: 'RESTORE_INTO',
  },
  {
    name: 'host',
    question: 'Into another server?',
    help: "A server with the same admin name and password; empty is the system's own",
    type: 'text',
    default: '',
    environment: 'PGHOST',
  },
  {
    name: 'replace',
    question: 'Replace what is there?',
    help: 'Existing databases are kept under another name and stay unchanged until the copy has been verified',
    type: 'boolean',
    default: 'no',
    environment: 'RESTORE_REPLACE',
  },
  {
    name: 'end_connections',
    question: 'End connections?',
    help: 'End the sessions of other users; otherwise a restore is refused while there are any',
    type: 'boolean',
    default: 'no',
    environment: 'RESTORE_END_CONNECTIONS',
  },
]
// The backup volume must be writable for the agent's group.
const runAs: RunAs = { ...agentUser, fs_group: agentUser.group }

const ofServer = restoreTable([from, oneDatabase, ...target])
const ofDatabase = restoreTable([from, ...target])
const restoreOptions = (system: DatabaseSystem): OptionTable => (system.database === undefined ? ofServer : ofDatabase)

/** PostgreSQL: a dump of one database or of the whole server, stored on a volume of the cluster and in a bucket. */
export const database: SystemKind<DatabaseSystem> = {
  kind: 'database',
  schema,
  cluster: system => system.cluster,
  inCluster,
  secretsNeeded: ({ user, password, encrypt }) => [
    ...(typeof user === 'string' ? [] : [user]),
    password,
    ...(encrypt ? [encrypt.drillIdentity] : []),
  ],
  openedBy,
  places: system => [volumePlace(system, 'volume', system.volume, 'write')],
  images: ownImages,
  stage: system => (system.database === undefined ? 'shared-server' : 'database'),
  goodCopy: clusterGoodCopy,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const user = system.user
    const backup = { volume: 'backup', path: '/backup', read_only: false }
    const environment = {
      ...store.plain,
      PGHOST: system.service,
      USE_RCLONE: 'yes',
      USE_RCLONE_BUCKET_AND_PATH: `/${system.bucket}`,
      ...(system.database !== undefined && { DATABASE: system.database }),
      ...(typeof user === 'string' && { PGUSER: user }),
    }
    const secretEnvironment = [
      ...(typeof user === 'string' ? [] : [{ name: 'PGUSER', ...user }]),
      { name: 'PGADMINPASS', ...system.password },
      ...store.secret,
    ]
    return {
      ...cronjobVariables(system, surroundings, {
        volumes: { backup: system.volume },
        runAs,
        steps: [
          {
            name: 'dump',
            environment: {
              ...environment,
              // Tier "hourly" makes a new dump, whatever its schedule; the others copy.
              BACKUP_TYPE: 'hourly',
              BACKUP_COUNT: String(system.keep),
              ...(system.compression !== undefined && { BACKUP_COMPRESSION: system.compression }),
              ...encryptEnvironment(system),
            },
            secret_environment: secretEnvironment,
            mounts: [backup],
          },
        ],
      }),
      // The drill image is built together with the CronJob's image, and has the servers to test it with.
      ...(system.image === undefined && {
        backup_cronjob_selftest_image: surroundings.agent.drillImage,
        backup_cronjob_selftest_majors: surroundings.agent.postgres ?? [],
      }),
      ...systemVariables(system, surroundings, {
        environment,
        secretEnvironment,
        identity: identityOf(system),
        volumes: { backup: system.volume },
        runAs,
        keep: system.keep,
        ages: clusterGoodCopy(system),
        // A dump is restored into a server, which only this image contains.
        drillImage: surroundings.agent.drillImage,
        restore: {
          table: restoreOptions(system),
          mounts: { bucket: [backup], volume: [backup] },
          // The backup volume has room for a copy from the bucket while it is checked and loaded.
          environment: { RESTORE_WORK: '/backup/.recovery' },
        },
      }),
    }
  },
  copies: system => ({
    // The old images name their dumps the same way.
    objects: { prefix: 'hourly/', pattern: /^hourly\/backup-([\dT:-]+Z)-dumpall\.sql\.(?:gz|zst)(?:\.age)?$/ },
    keeps: { copies: system.keep },
    ...cronjobCopies(system),
    plainFiles: false,
    drills: drillSchedule,
  }),
  cronjobs: cronjobNames,
  check: system => [
    ...imageFindings(system, 'sql-backup'),
    ...volumeFindings('volume', system.volume),
    ...encryptFindings(system),
    ...(system.database === 'template0'
      ? [
          {
            key: 'database',
            message: '`template0` accepts no connections, so it cannot be dumped',
            suggest: 'name another database, or leave out `database` to dump the whole server',
          },
        ]
      : []),
    ...(system.compression === 'zstd' && system.image !== undefined
      ? [
          {
            key: 'compression',
            message: `\`${system.image}\` cannot compress with zstd, only the agent can`,
            suggest: 'leave out `compression`, or `image`',
          },
        ]
      : []),
  ],
  options: [ofServer, ofDatabase, verifyTable],
  templates: system => [
    runNowTemplate(system),
    restoreTemplate(system, restoreOptions(system), {
      what: `Restore ${system.database ?? 'the databases'} from a copy: check it completely, load it beside the existing data, compare, and only then replace.`,
      playbook: 'playbooks/restore-system.yml',
      credentials: [clusterCredential(system)],
      // The role's own limit is ten hours; applications and schedules are started again after it.
      timeout: 11 * 3600,
      recovery: { replace: 'yes', end_connections: 'yes', dry_run: 'no', confirm: system.name },
    }),
    drillTemplate(system),
    verifyTemplate(system, [clusterCredential(system)]),
    ...secondCopyTemplates(system, [clusterCredential(system)]),
  ],
  runbook: (system, surroundings) => ({
    needs:
      'the cluster, and an empty PostgreSQL server of the same version or later, with the admin user and password of its Secret',
    keepSafe: [
      {
        what: `the Secret \`${system.namespace}/${system.password.secret}\` (${system.cluster})`,
        why: `the admin password of the server of ${system.name}`,
      },
      ...keepKey(system),
    ],
    restore: restoreText(system, surroundings),
    withoutBucket: `the backup volume (${volumeText(system, system.volume)}): the same copies, restored with \`--answer backup_system_from=volume\`. The next backup uploads the verified ones that the bucket lacks, newest first`,
    leftovers: 'databases named `before_…`',
  }),
  chapters: [
    {
      title: 'One database is gone',
      introduction: `It was dropped or damaged, or its data were changed by mistake; the server runs.

1. Find the newest copy taken **before** that. \`--answer backup_system_copy=NONE\` lists the copies; \`--answer backup_system_copy=2026-01-31T03:07:00Z\` selects the newest one taken at or before that time.
2. If you are not sure, restore it under another name (\`--answer backup_system_into=<name>_check\`), look at it with psql, and copy what is missing.
3. If you are sure, restore it in place with the command below. The old database is kept under a name that begins with \`before_\`; \`ALTER DATABASE … RENAME\` brings it back.`,
      part: databaseGone,
      conclusion: 'It worked when the application shows its data.',
    },
  ],
}

/** A shell function that loads `dump.sql.gz` without the lines that a sed expression deletes; it never deletes rows. */
export const loadByHand = String.raw`load() { gunzip -c dump.sql.gz | sed -E -e '/^COPY .* FROM stdin;$/,/^\\\.$/b' -e "$1" | psql -X -q -v ON_ERROR_STOP=1 -d "$2"; }`

/** Loads one database from `dump.sql.gz`, a copy of a whole server, under another name: `one <database> <new name>`. */
export const oneByHand = String.raw`one() {
  gunzip -c dump.sql.gz | awk -v name="$1" '
    !rows && /^-- Database ".*" dump$/ { found = ($0 == "-- Database \"" name "\" dump"); any = any || found }
    found { print }
    /^COPY .* FROM stdin;$/ { rows = 1 }
    /^\\\.$/ { rows = 0 }
    END { if (!any) { print "the copy has no database " name > "/dev/stderr"; exit 1 } }' |
  sed -E -e '/^COPY .* FROM stdin;$/,/^\\\.$/b' \
    -e "s/^((CREATE|ALTER|COMMENT ON|(GRANT|REVOKE) .* ON) DATABASE) (\"([^\"]|\"\")*\"|[^ ;]+)/\1 \"$2\"/" \
    -e "s/^\\\\connect .*/\\\\connect \"$2\"/" | psql -X -q -v ON_ERROR_STOP=1 -d postgres
}`

const fetchText = ({ bucket, compression, encrypt }: DatabaseSystem) => {
  const suffix = compression === 'zstd' ? 'zst' : 'gz'
  const names = `*-dumpall.sql.${suffix}${encrypt ? '*' : ''}`
  const stages = [
    `rclone cat "store:${bucket}/hourly/$copy"`,
    ...(encrypt ? ['open "$copy"'] : []),
    ...(suffix === 'zst' ? ['zstd -dc', 'gzip -1'] : []),
  ]
  return byHand(
    `copy=\${COPY:-$(rclone lsf store:${bucket}/hourly/ --include '${names}' | sort | tail -1)}`,
    'echo "Copy: $copy"',
    ...(encrypt ? [openByHand()] : []),
    stages.length === 1
      ? `rclone copyto "store:${bucket}/hourly/$copy" dump.sql.gz`
      : `${stages.join(' | ')} > dump.sql.gz`,
    'gunzip -t dump.sql.gz',
    "gunzip -c dump.sql.gz | tail -5 | grep 'dump complete'",
  )
}

/** Connects to the server through a port-forward that ends with the block, and prints which server answers. */
function connection(system: DatabaseSystem, surroundings: Surroundings): string[] {
  const { user, password, service, cluster, namespace } = system
  const secret = ({ secret, key }: { secret: string; key: string }) =>
    `$($k get secret ${secret} --output go-template='{{index .data "${key}" | base64decode}}')`
  const port = portOf(system, surroundings)
  return [
    ...kubectl(cluster, namespace),
    `$k port-forward service/${service} ${port}:5432 >/dev/null & forward=$!`,
    "trap 'kill $forward 2>/dev/null || true' EXIT",
    `PGUSER=${typeof user === 'string' ? shellWord(user) : secret(user)}`,
    `PGPASSWORD=${secret(password)}`,
    `export PGUSER PGPASSWORD PGHOST=127.0.0.1 PGPORT=${port}`,
    "export PGOPTIONS='-c default_transaction_read_only=off -c role=none'   # whatever a database or a role sets",
    'for _ in $(seq 30); do sleep 1; kill -0 $forward; pg_isready -q && break; done',
    "psql -X -d postgres -c 'SELECT inet_server_addr() AS server, pg_postmaster_start_time() AS started, version()' -c '\\l'",
  ]
}

function restoreText(system: DatabaseSystem, surroundings: Surroundings): string {
  const template = `Restore: ${system.name}`
  const confirm = { backup_system_dry_run: 'no', backup_system_confirm: system.name }
  const { database } = system
  const whole = database === undefined
  const load = whole
    ? `load '/^(CREATE|DROP) ROLE (IF EXISTS )?'"$PGUSER"';$/d' postgres   # the admin's role exists already`
    : `createdb --template=template0 ${shellWord(database)}   # the role that owns it must exist
load '' ${shellWord(database)}`
  const warning = whole
    ? 'This drops the databases of the copy on this server and creates them again.'
    : `This creates the database ${database} on this server.`
  return `With this software: first the dry run, then the restore.

\`\`\`sh
${launch(template, {})}
${launch(template, confirm)}
\`\`\`

The copy is read completely before the server is changed; it is loaded under temporary names, its row counts are compared, and it replaces the old data in one transaction. If the database exists, the restore is refused; \`--answer backup_system_replace=yes\` replaces it and keeps the old one under a name that begins with \`before_\`, \`--answer backup_system_end_connections=yes\` ends the sessions of other users.${
    whole ? ' `--answer backup_system_database=<name>` restores one database of the server.' : ''
  } \`--answer backup_system_into=<other name>\` restores beside the existing database.

Without it: download the newest copy${system.encrypt ? ', open it,' : ''} and check it (set \`COPY\` to a name from \`rclone lsf store:${system.bucket}/hourly/\` to take an older one)${system.encrypt ? `. ${keyNeeded}` : ','}

${fetchText(system)}

${system.encrypt ? 'Then' : 'then'} load it. The commands show the server and ask before they change anything:

${byHand(...connection(system, surroundings), ...confirmation(warning, system.name), loadByHand, load)}
${
  whole
    ? `
To load one database of that copy beside the existing one, under another name:

${byHand(
  ...connection(system, surroundings),
  'read -rp "Which database of the copy? " database',
  ...confirmation('This creates a database named <that database>_restored on this server.', system.name),
  oneByHand,
  'one "$database" "$database"_restored',
)}
`
    : ''
}
\`load\` stops at the first error, because rows that follow a failed COPY would run as SQL. If the error is \`unrecognized parameter "x"\` or \`unrecognized configuration parameter "x"\`, the server does not know a setting that holds no data: remove its lines and load again (a single database: drop and create it first), naming all such parameters, as in \`load '/^(SET |ALTER .* SET \\(?"?)(x|y)\\>/d' …\`.${
    whole
      ? ' Join the two expressions with `;`.'
      : ' The first lines that begin with `-- database:` say how the database was created.'
  }

psql must know \`\\restrict\` (releases since August 2025) to load copies made since then; with an older psql, remove the lines that begin with \`\\restrict\` and \`\\unrestrict\`.

It worked when the block exits with 0 and the row counts are those of the receipt:

\`\`\`sh
rclone cat "store:${system.bucket}/.receipts/${system.name}/$(rclone lsf store:${system.bucket}/.receipts/${system.name}/ | sort | tail -1)"
\`\`\``
}

function databaseGone(system: DatabaseSystem): string {
  const one = system.database ?? '<database>'
  const answers = {
    ...(system.database === undefined && { backup_system_database: one }),
    backup_system_replace: 'yes',
    backup_system_end_connections: 'yes',
    backup_system_dry_run: 'no',
    backup_system_confirm: system.name,
  }
  const without =
    system.database === undefined
      ? 'the last block of its step in the full recovery loads one database under another name'
      : 'the blocks of its step in the full recovery, after you have renamed the damaged database'
  return `**${system.name}** (${system.description}):

\`\`\`sh
${launch(`Restore: ${system.name}`, answers)}
\`\`\`

Without this software: ${without}.`
}
