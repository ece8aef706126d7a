import { beforeAll, describe, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { Unsafe } from '../../../src/ansible/yaml.ts'
import { type Definitions, definitions } from '../../../src/awx/definitions.ts'
import { type Project, readRoleOptions } from '../../../src/awx/project.ts'
import { awxRules } from '../../../src/awx/rules/index.ts'
import { problemsOf } from '../../../src/config/rules/rule.ts'
import { inventory } from '../../../src/inventory/inventory.ts'

const rancher = 'Back up: rancher-server'
const recovery = 'Recover everything: production'

/** Production's definitions, to be broken. */
const sound = (): Definitions => structuredClone(withoutClasses(definitions(production)))

/** structuredClone loses classes; injectors are put back from their text. */
function withoutClasses(all: Definitions): Definitions {
  return {
    ...all,
    controller_credential_types: all.controller_credential_types.map(type => ({
      ...type,
      injectors: {
        env: Object.fromEntries(Object.entries(type.injectors.env).map(([name, { text }]) => [name, { text }])),
      },
    })),
  }
}

let project: Project
beforeAll(async () => {
  const made = inventory(production, {})
  const hosts = Object.keys(made.hosts)
  const named = new Set(definitions(production).controller_templates.map(({ playbook }) => playbook))
  const playsOf = (playbook: string) =>
    playbook.includes('-rancher')
      ? { hosts: ['rancher-server'], tags: ['always', 'upload'] }
      : { hosts, tags: ['always'] }
  project = {
    playbooks: new Map([...named].map(playbook => [playbook, [playsOf(playbook)]])),
    options: await readRoleOptions(projectRoot),
    inventory: made,
  }
})

const found = (all: Definitions) =>
  problemsOf(awxRules, 'awx.yml', all, project).map(p => `${p.ruleId} ${p.location.path}: ${p.message} → ${p.suggest}`)

it('finds nothing in the definitions of production', () => {
  expect(found(definitions(production))).toEqual([])
  expect(found(sound())).toEqual([])
})

it('every question has all fields, as AWX writes them', () => {
  const questions = sound().controller_templates.flatMap(({ survey_spec }) => survey_spec?.spec ?? [])
  const keys = new Set(questions.map(question => Object.keys(question).sort().join(' ')))
  expect([...keys]).toEqual([
    'choices default max min new_question question_description question_name required type variable',
  ])
  const texts = questions.filter(({ type }) => type === 'text')
  expect(new Set(texts.map(({ choices, min, max }) => JSON.stringify([choices, min, max])))).toEqual(
    new Set(['["",0,1024]']),
  )
})

it('a launch cannot set variables that no survey asks for', () => {
  const { controller_defaults, controller_templates } = sound()
  expect(controller_defaults.templates.ask_variables_on_launch).toBe(false)
  expect(controller_templates.filter(template => 'ask_variables_on_launch' in template)).toEqual([])
})

// Definitions are read-only; a test breaks a copy.
// biome-ignore lint/suspicious/noExplicitAny: what is broken has no type.
type Broken = any
const named = (list: { name: string }[], name: string): Broken => list.find(object => object.name === name)
const another = (list: Broken[], change: object) => list.push({ ...list[0], name: 'Another', ...change })

const cases: [string, (all: Broken) => void, string[]][] = [
  [
    'awx-object-twice',
    all => all.controller_teams.push(all.controller_teams[0]),
    ['controller_teams (Backup operators): is defined twice → give each a name of its own'],
  ],
  [
    'awx-reference-broken',
    all => {
      named(all.controller_templates, rancher).project = 'Fragalysis bakups'
    },
    [
      'controller_templates (Back up: rancher-server).project: names `Fragalysis bakups`, which controller_projects does not define → did you mean `Fragalysis backups`?',
    ],
  ],
  [
    'awx-secret-in-definition',
    all => {
      named(all.controller_credentials, 'Store: production').inputs = { secret_access_key: 'x' }
    },
    [
      'controller_credentials (Store: production).inputs.secret_access_key: is a secret, and its value stands here → name its source under `sources` instead, and change the secret: it has been seen',
    ],
  ],
  [
    'awx-tls-unverified',
    all => {
      delete named(all.controller_credentials, 'Kubernetes: production').sources.ssl_ca_cert
    },
    [
      "controller_credentials (Kubernetes: production).sources: has no `ssl_ca_cert`, so AWX verifies no TLS whatever `verify_ssl` says → give it a source: the cluster's CA certificate",
    ],
  ],
  [
    'awx-tls-unverified',
    all => {
      all.controller_notifications[0].notification_configuration.disable_ssl_verification = true
    },
    [
      'controller_notifications (Fragalysis backups).notification_configuration.disable_ssl_verification: turns TLS verification off → write `false`',
    ],
  ],
  [
    'awx-injector-broken',
    all => {
      named(all.controller_credential_types, 'S3 store').injectors.env.AWS_ACCESS_KEY_ID = new Unsafe(
        '{{ acces_key_id }}',
      )
    },
    [
      'controller_credential_types (S3 store).injectors.env.AWS_ACCESS_KEY_ID: uses `acces_key_id`, which is no input of this type → did you mean `access_key_id`?',
    ],
  ],
  [
    'awx-injector-broken',
    all => {
      named(all.controller_credential_types, 'Heartbeat').injectors.env.ANSIBLE_CONFIG = new Unsafe('{{ url }}')
    },
    [
      "controller_credential_types (Heartbeat).injectors.env.ANSIBLE_CONFIG: is Ansible's or AWX's own variable, which a credential may not set → use another name",
    ],
  ],
  [
    'awx-credential-type-twice',
    all => named(all.controller_templates, 'Deploy backups: production').credentials.push('Kubernetes: development'),
    [
      'controller_templates (Deploy backups: production).credentials: has two credentials of type `OpenShift or Kubernetes API Bearer Token`: `Kubernetes: production` and `Kubernetes: development` → make a template for each of them',
    ],
  ],
  [
    'awx-playbook-unknown',
    all => {
      named(all.controller_templates, rancher).playbook = 'playbooks/backup-ranger.yml'
    },
    [
      'controller_templates (Back up: rancher-server).playbook: there is no `playbooks/backup-ranger.yml` → did you mean `playbooks/backup-rancher.yml`?',
    ],
  ],
  [
    'awx-limit-empty',
    all => {
      named(all.controller_templates, rancher).limit = 'rancher-servr'
    },
    [
      'controller_templates (Back up: rancher-server).limit: there is no host or group `rancher-servr` → did you mean `rancher-server`?',
    ],
  ],
  [
    'awx-limit-empty',
    all => {
      named(all.controller_templates, rancher).limit = 'database'
    },
    [
      'controller_templates (Back up: rancher-server).limit: no play of playbooks/backup-rancher.yml runs on a host of `database` → name a host that the playbook is for, or another playbook',
    ],
  ],
  [
    'awx-tag-unknown',
    all => {
      named(all.controller_templates, rancher).job_tags = 'uplaod'
    },
    [
      'controller_templates (Back up: rancher-server).job_tags: no task of playbooks/backup-rancher.yml has the tag `uplaod` → did you mean `upload`?',
    ],
  ],
  [
    'awx-survey-refused',
    all => {
      const [question] = named(all.controller_templates, rancher).survey_spec.spec
      question.default = 'perhaps'
    },
    [
      'controller_templates (Back up: rancher-server).survey_spec (rancher_backup_ignore_window).default: `perhaps` is none of its choices → write one of no, yes',
    ],
  ],
  [
    'awx-survey-shadows',
    all => {
      named(all.controller_templates, rancher).extra_vars = { rancher_backup_ignore_window: true }
    },
    [
      'controller_templates (Back up: rancher-server).extra_vars.rancher_backup_ignore_window: is never used: the survey asks for `rancher_backup_ignore_window`, and its default wins → remove it from `extra_vars`, or the question from the survey',
    ],
  ],
  [
    'awx-survey-breaks-role',
    all => named(all.controller_templates, rancher).survey_spec.spec[0].choices.push('perhaps'),
    [
      'controller_templates (Back up: rancher-server).survey_spec (rancher_backup_ignore_window): the role refuses the answer `perhaps`, which the survey offers → offer only what is bool',
    ],
  ],
  [
    'awx-timeout-too-short',
    all => {
      named(all.controller_templates, 'Back up: production-stack-db').timeout = 3000
    },
    [
      'controller_templates (Back up: production-stack-db).timeout: 3000 s end the job before its work, which may take 3240 s → write more than 3240',
    ],
  ],
  [
    'awx-timeout-too-short',
    all => {
      named(all.controller_templates, 'Restore: infra-db-production').timeout = 36_000
    },
    [
      'controller_templates (Restore: infra-db-production).timeout: 36000 s end the job before its work, which may take 36000 s → write more than 36000',
    ],
  ],
  [
    'awx-timeout-too-short',
    all => {
      named(all.controller_templates, rancher).timeout = 0
    },
    ['controller_templates (Back up: rancher-server).timeout: the job may hang for ever → write seconds, more than 0'],
  ],
  [
    'awx-job-sliced',
    all => {
      named(all.controller_templates, rancher).job_slice_count = 2
    },
    ['controller_templates (Back up: rancher-server).job_slice_count: 2 slices make a workflow of the job → write 1'],
  ],
  [
    'awx-prompt-not-asked',
    all => {
      named(all.controller_workflows, recovery).nodes[3].limit = 'infra-db-production'
    },
    [
      'controller_workflows (Recover everything: production).nodes (Restore: infra-db-production): sets `limit`, which `Restore: infra-db-production` does not ask for → remove it, or set `ask_limit_on_launch` on the template',
    ],
  ],
  [
    'awx-prompt-not-asked',
    all => {
      named(all.controller_workflows, recovery).nodes[3].extra_data.speed = 9
    },
    [
      'controller_workflows (Recover everything: production).nodes (Restore: infra-db-production): sets the variable `speed`, which `Restore: infra-db-production` does not ask for → ask for it in the survey, or set `ask_variables_on_launch` on the template',
    ],
  ],
  [
    'awx-question-unanswered',
    all => {
      delete all.controller_schedules[0].extra_data.rancher_backup_ignore_window
    },
    [
      'controller_schedules (Back up: rancher-server).extra_data: does not answer `rancher_backup_ignore_window` (Outside the window?), which `Back up: rancher-server` must know → add `rancher_backup_ignore_window` to `extra_data`',
    ],
  ],
  [
    'awx-schedules-collide',
    all =>
      another(all.controller_schedules, {
        unified_job_template: 'Back up: production-stack-db',
        extra_data: {},
        rrule: 'DTSTART;TZID=Etc/UTC:20260101T171500 RRULE:FREQ=DAILY;INTERVAL=1',
      }),
    [
      'controller_schedules (Another).rrule: begins within 30 minutes of `Back up: rancher-server`, which stops Rancher → choose another time for one of them',
    ],
  ],
  [
    'awx-workflow-broken',
    all => {
      named(all.controller_workflows, recovery).nodes[3].success_nodes = ['Aprove: Restore: production-stack-db']
    },
    [
      'controller_workflows (Recover everything: production).nodes (Restore: infra-db-production).success_nodes: there is no node `Aprove: Restore: production-stack-db` → did you mean `Approve: Restore: production-stack-db`?',
    ],
  ],
  [
    'awx-workflow-broken',
    all => {
      const [first, second] = named(all.controller_workflows, recovery).nodes
      second.success_nodes = [first.identifier]
    },
    ['Approve: Deploy backups: production', 'Deploy backups: production'].map(
      node =>
        `controller_workflows (Recover everything: production).nodes (${node}): leads back to itself → take away one of the links on the way`,
    ),
  ],
  [
    'awx-workflow-broken',
    all => {
      delete named(all.controller_workflows, recovery).nodes[2].approval_node
    },
    [
      'controller_workflows (Recover everything: production).nodes (Approve: Restore: infra-db-production): launches nothing, or two things → give it one of `unified_job_template` and `approval_node`',
    ],
  ],
  [
    'awx-workflow-broken',
    all => {
      const { nodes } = named(all.controller_workflows, recovery)
      nodes.push(nodes.at(-1))
    },
    [
      'controller_workflows (Recover everything: production).nodes (Restore: production-stack-media): is defined twice → give each node a name of its own',
    ],
  ],
  [
    'awx-failure-ends-green',
    all => named(all.controller_workflows, recovery).nodes[3].failure_nodes.push('Restore: production-stack-db'),
    [
      'controller_workflows (Recover everything: production).nodes (Restore: infra-db-production): after its failure the workflow goes on to Restore: production-stack-db, and ends green if that succeeds → let it end there, red; notifications tell of it',
    ],
  ],
  [
    'awx-approval-hangs',
    all => {
      named(all.controller_workflows, recovery).nodes[2].approval_node.timeout = 0
    },
    [
      'controller_workflows (Recover everything: production).nodes (Approve: Restore: infra-db-production).timeout: waits for ever → give it a timeout in seconds',
    ],
  ],
  [
    'awx-notification-missing',
    all => {
      named(all.controller_templates, rancher).notification_templates_error = []
    },
    [
      'controller_templates (Back up: rancher-server).notification_templates_error: nobody hears when it fails → name a notification template',
    ],
  ],
  [
    'awx-notification-doubled',
    all => named(all.controller_templates, rancher).notification_templates_error.push('Fragalysis backups'),
    [
      'controller_templates (Back up: rancher-server).notification_templates_error: `Fragalysis backups` hears of it twice → name it in one place: on the job template',
    ],
  ],
  [
    'awx-role-too-wide',
    all => {
      all.controller_roles[0].role = 'admin'
    },
    [
      'controller_roles (Backup operators: admin): lets `Backup operators` change what it should only run → grant `execute` on templates, `approval` on workflows, `read` on the rest',
    ],
  ],
  ...(
    [
      ['RRULE:FREQ=DAILY;INTERVAL=1', 'it has no DTSTART → begin it with `DTSTART;TZID=Europe/London:20260102T180000`'],
      [
        'DTSTART:20260102T180000 RRULE:FREQ=DAILY;INTERVAL=1',
        'its DTSTART names no time zone → write it as `DTSTART;TZID=Europe/London:20260102T180000`',
      ],
      ['DTSTART:20260102T180000Z RRULE:FREQ=DAILY', 'it has no INTERVAL → add `;INTERVAL=1`'],
      ['DTSTART:20260102T180000Z RRULE:FREQ=SECONDLY;INTERVAL=1', 'it runs every second → choose a longer FREQ'],
      [
        'DTSTART:20260102T180000Z RRULE:FREQ=MONTHLY;INTERVAL=1;BYDAY=1FR',
        'its BYDAY has a number → use BYSETPOS or BYMONTHDAY',
      ],
      ['DTSTART:20260102T180000Z RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1000', 'its COUNT is over 999 → leave COUNT out'],
      [
        'DTSTART:20260102T180000Z RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20270101T000000',
        'its UNTIL is not in UTC → end UNTIL with Z',
      ],
      [
        'DTSTART:20260102T180000Z RRULE:FREQ=DAILY;INTERVAL=1 EXDATE:20260103T180000Z',
        'it has RDATE or EXDATE → say it with RRULE and EXRULE',
      ],
    ] as const
  ).map(([rrule, said]): [string, (all: Broken) => void, string[]] => [
    'awx-rrule-refused',
    all => {
      all.controller_schedules[0].rrule = rrule
    },
    [`controller_schedules (Back up: rancher-server).rrule: AWX refuses \`${rrule}\`: ${said}`],
  ]),
]

describe('each broken rule is found by that rule alone', () => {
  it.each(cases)('%s %#', (id, change, expected) => {
    const all = sound()
    change(all)
    expect(found(all)).toEqual(expected.map(line => `${id} ${line}`))
  })

  it('every rule has a case', () => {
    const tested = new Set(cases.map(([id]) => id))
    expect(awxRules.map(({ id }) => id).filter(id => !tested.has(id))).toEqual([])
  })
})
