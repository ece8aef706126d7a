import Type from 'typebox'
import { kitConfig } from '../ansible/yaml.ts'
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
import { recipientSchema } from './encrypt.ts'
import {
  clusterFields,
  commonFields,
  type GoodCopy,
  keySchema,
  objectNameSchema,
  type SystemKind,
  secretKeySchema,
} from './kind.ts'
import {
  agentUser,
  clusterCredential,
  drillSchedule,
  drillTemplate,
  systemVariables,
  verifyTable,
  verifyTemplate,
} from './restore.ts'
import { byHand, confirmation, kubectl } from './runbook.ts'
import { secondCopyTemplates } from './second.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('kit', { description: 'Secrets of a namespace, encrypted to the operators' }),
    ...commonFields,
    ...clusterFields,
    secrets: Type.Array(
      Type.Object(
        {
          name: Type.String({ ...objectNameSchema, description: "The Secret's name" }),
          keys: Type.Array(keySchema, { description: 'The names of its keys to keep', minItems: 1 }),
          type: Type.Optional(
            Type.String({
              description: 'Its type, such as `kubernetes.io/tls`, which cannot be changed later. Default: `Opaque`',
              minLength: 1,
            }),
          ),
          labels: Type.Optional(
            Type.Record(Type.String(), Type.String(), { description: 'Its labels. Default: none' }),
          ),
          annotations: Type.Optional(
            Type.Record(Type.String(), Type.String(), { description: 'Its annotations. Default: none' }),
          ),
          immutable: Type.Optional(
            Type.Boolean({ description: 'Whether its values cannot be changed. Default: false' }),
          ),
        },
        { additionalProperties: false },
      ),
      {
        description:
          'The Secrets of the namespace that a recovery needs, with the keys to keep, and what else they are restored with',
        minItems: 1,
      },
    ),
    recipients: Type.Array(recipientSchema, {
      description:
        "The operators' public keys (`age-keygen`): each of them alone can open the kit. The private keys are kept outside the installation",
      minItems: 1,
      uniqueItems: true,
    }),
    drillIdentity: Type.Optional(
      Type.Object(
        {
          ...secretKeySchema.properties,
          recipient: Type.String({
            format: 'age-recipient',
            description: 'The public key of that private key. The kit is encrypted to it as well',
          }),
        },
        {
          additionalProperties: false,
          description:
            'Where the private key of the drills is: a Secret of the namespace whose Secrets the kit keeps. Each kit has a key of its own, so that who can read one namespace opens the kit of that namespace and no other. Left out: no drills',
        },
      ),
    ),
  },
  { additionalProperties: false },
)
export type KitSystem = Type.Static<typeof schema>

function goodCopy(system: KitSystem): GoodCopy {
  const { maximumAgeHours, ...drill } = clusterGoodCopy(system)
  return { maximumAgeHours, ...(system.drillIdentity && drill) }
}

/** The type that Secrets with such keys usually have, if those of it are used differently from others. */
function usualType(keys: readonly string[]): string | undefined {
  const usual = {
    'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
    'kubernetes.io/dockercfg': ['.dockercfg'],
    'kubernetes.io/tls': ['tls.crt', 'tls.key'],
    'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  }
  return Object.entries(usual).find(([, needed]) => needed.every(key => keys.includes(key)))?.[0]
}

/** What a recovery needs besides the copies: named Secrets of a namespace and the config, encrypted with age. */
export const kit: SystemKind<KitSystem> = {
  kind: 'kit',
  schema,
  cluster: system => system.cluster,
  inCluster,
  secretsKept: ({ secrets }) => secrets,
  openedBy: ({ recipients, drillIdentity }) => ({
    operators: recipients,
    drill: drillIdentity?.recipient,
    drillAt: 'drillIdentity.recipient',
  }),
  places: () => [],
  images: ownImages,
  stage: () => 'secrets',
  goodCopy,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const more = system.secrets.flatMap(({ name, keys: _, ...fields }) =>
      Object.keys(fields).length > 0 ? [[name, fields] as const] : [],
    )
    const items = system.secrets.flatMap(({ name, keys }) => keys.map(key => ({ secret: name, key })))
    // Files, because an environment variable cannot hold every value: a container runtime accepts text only.
    const volumes = system.secrets.map(
      ({ name, keys }, index) => [`secret-${index}`, { secret: { name, entries: keys } }] as const,
    )
    const { drillIdentity } = system
    const recipients = [...system.recipients, ...(drillIdentity ? [drillIdentity.recipient] : [])]
    const identity = drillIdentity && { secret: drillIdentity.secret, key: drillIdentity.key }
    const shared = { ...store.plain, S3_BUCKET_NAME: system.bucket }
    return {
      ...cronjobVariables(system, surroundings, {
        volumes: Object.fromEntries(volumes),
        runAs: agentUser,
        steps: [
          {
            name: 'kit',
            environment: {
              ...shared,
              BACKUP_COUNT: String(system.keep),
              BACKUP_KIT_NAMESPACE: system.namespace,
              BACKUP_RECIPIENTS: recipients.join(' '),
              BACKUP_KIT_ITEMS: JSON.stringify(items, null, 2),
              ...(more.length > 0 && { BACKUP_KIT_SECRETS: JSON.stringify(Object.fromEntries(more), null, 2) }),
              BACKUP_KIT_CONFIG: kitConfig,
            },
            secret_environment: store.secret,
            mounts: volumes.map(([volume, { secret }]) => ({ volume, path: `/kit/${secret.name}`, read_only: true })),
          },
        ],
      }),
      ...systemVariables(system, surroundings, {
        environment: shared,
        secretEnvironment: store.secret,
        identity,
        volumes: {},
        runAs: agentUser,
        keep: system.keep,
        ages: goodCopy(system),
        drillImage: surroundings.agent.image,
      }),
    }
  },
  copies: system => ({
    objects: { prefix: 'kit-', pattern: /^kit-([\dT:-]+Z)\.json\.age$/ },
    keeps: { copies: system.keep },
    ...cronjobCopies(system),
    plainFiles: false,
    ...(system.drillIdentity && { drills: drillSchedule }),
  }),
  cronjobs: cronjobNames,
  check: system => [
    ...imageFindings(system, undefined),
    // Each Secret is a volume of the pod, and two volumes cannot have one path.
    ...system.secrets.flatMap(({ name }, index) =>
      system.secrets.findIndex(other => other.name === name) === index
        ? []
        : [
            {
              key: `secrets[${index}].name`,
              message: `the Secret \`${name}\` is in this list already`,
              suggest: 'list all of its keys in one place',
            },
          ],
    ),
    ...system.secrets.flatMap(({ name, keys, type }, index) => {
      const usual = type === undefined ? usualType(keys) : undefined
      return usual === undefined
        ? []
        : [
            {
              key: `secrets[${index}].type`,
              message: `${name} has the keys of a Secret of the type ${usual}, and would be restored as Opaque`,
              suggest: `write type: '${usual}', or 'Opaque' if it is`,
            },
          ]
    }),
  ],
  options: [verifyTable],
  templates: system => [
    runNowTemplate(system),
    ...(system.drillIdentity ? [drillTemplate(system)] : []),
    verifyTemplate(system, [clusterCredential(system)]),
    ...secondCopyTemplates(system, [clusterCredential(system)], system.drillIdentity !== undefined),
  ],
  runbook: system => ({
    needs: "an operator's private key, which is kept outside the installation",
    keepSafe: system.secrets.map(({ name, keys }) => ({
      what: `the Secret \`${system.namespace}/${name}\` (${system.cluster})`,
      why: `${keys.map(key => `\`${key}\``).join(', ')}; also in the kit ${system.name}`,
    })),
    restore: restoreText(system),
    withoutBucket: `the Secrets themselves, in ${system.namespace}`,
  }),
  chapters: [],
}

function drillKeyText({ cluster, namespace, drillIdentity }: KitSystem): string {
  if (!drillIdentity) return ' Nothing else opens it.'
  const { secret, key } = drillIdentity
  return ` While the cluster is there, \`${key}\` of the Secret \`${namespace}/${secret}\` (${cluster}) opens this kit too, and no other kit: the drills use it. Nothing else opens it.`
}

function restoreText(system: KitSystem): string {
  return `You need the private key of an operator (made with \`age-keygen\`, kept outside the installation), in a file that \`KEY\` names.${drillKeyText(system)} Download the newest kit, open it, and list what it holds:

${byHand(
  `kit=$(rclone lsf store:${system.bucket}/ --include 'kit-*' | sort | tail -1)`,
  'echo "Kit: $kit"',
  `rclone copyto "store:${system.bucket}/$kit" ${system.name}.json.age`,
  `age -d -i "$KEY" ${system.name}.json.age | jq -r '.items[] | .kind + " " + .metadata.name'`,
)}

Once the cluster ${system.cluster} is there, apply it:

${byHand(
  ...kubectl(system.cluster, system.namespace),
  '$k get secrets',
  ...confirmation('This replaces the Secrets of the kit in this namespace.', system.name),
  `$k create namespace ${system.namespace} --dry-run=client --output yaml | $k apply --filename -`,
  `age -d -i "$KEY" ${system.name}.json.age | $k apply --filename -`,
  `$k get secrets ${system.secrets.map(secret => secret.name).join(' ')}`,
)}

It worked when the block exits with 0: its last command shows the Secrets.

The kit holds the whole config as well. If the repository is lost, this prints what \`backups.config.ts\` exported:

${byHand(`age -d -i "$KEY" ${system.name}.json.age | jq -r '.items[] | .binaryData["config.json.gz"] // empty' | base64 -d | gunzip`)}`
}
