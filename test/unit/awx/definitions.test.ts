import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { managedCredentialTypes } from '../../../src/awx/credential-types.ts'
import { type Definitions, definitions, type JobTemplate } from '../../../src/awx/definitions.ts'
import type { Message } from '../../../src/awx/vocabulary.ts'
import type { Config } from '../../../src/config/index.ts'
import { inventory } from '../../../src/inventory/inventory.ts'
import { anyConfig } from '../../support/config-arbitrary.ts'
import { credentialTypeRefusal, rruleRefusal, surveyRefusal } from '../../support/controller/refusals.ts'
import tables from '../../support/controller/tables.json' with { type: 'json' }

// Properties of the definitions of every valid config: AWX accepts them, and they have the intended effect.

const seed = Math.trunc(Math.random() * 2 ** 31)
const numRuns = 200
// Made once: that takes longer than to check all the properties.
const samples = fc.sample(anyConfig, { seed, numRuns }).map(config => ({ config, all: definitions(config) }))

/** Checks a property over random configs; of one that breaks it fast-check prints the smallest, and the seed. */
function forEvery(check: (all: Definitions, config: Config) => void): void {
  try {
    for (const { all, config } of samples) check(all, config)
  } catch (error) {
    fc.assert(
      fc.property(anyConfig, config => check(definitions(config), config)),
      { seed, numRuns },
    )
    throw error
  }
}

const named = (all: Definitions) =>
  Object.entries(all).flatMap(([list, objects]) =>
    Array.isArray(objects) && list !== 'controller_roles'
      ? [[list, (objects as { name: string }[]).map(({ name }) => name)] as const]
      : [],
  )
const launched = ({ controller_templates, controller_workflows }: Definitions) => [
  ...controller_templates,
  ...controller_workflows,
]
const links = ['success_nodes', 'failure_nodes', 'always_nodes'] as const
const questionsOf = (template: JobTemplate | undefined) =>
  template?.survey_enabled ? (template.survey_spec?.spec ?? []) : []

describe('the definitions of any valid config', () => {
  it('name every object once', () => {
    forEvery(all => {
      for (const [list, names] of named(all)) expect(new Set(names).size, list).toBe(names.length)
    })
  })

  it('refer to objects that they define', () => {
    forEvery((all, config) => {
      const names = new Map(named(all))
      const defined = (list: keyof Definitions, wanted: readonly string[]) => {
        for (const name of wanted) expect(names.get(list), `${list}: ${name}`).toContain(name)
      }
      const made = inventory(config, {})
      for (const object of launched(all)) {
        const sent = Object.entries(object).filter(([key]) => key.startsWith('notification_templates_'))
        defined(
          'controller_notifications',
          sent.flatMap(([, to]) => to as string[]),
        )
        defined('controller_labels', object.labels)
      }
      for (const template of all.controller_templates) {
        defined('controller_projects', [template.project])
        defined('controller_inventories', [template.inventory])
        defined('controller_execution_environments', [template.execution_environment])
        defined('controller_credentials', template.credentials)
        const hosts = made.groups[template.limit] ?? (template.limit in made.hosts ? [template.limit] : [])
        expect(hosts.length, `${template.name} is limited to ${template.limit}`).toBeGreaterThan(0)
      }
      const launchable = new Set(launched(all).map(({ name }) => name))
      for (const schedule of all.controller_schedules) expect(launchable).toContain(schedule.unified_job_template)
      for (const source of all.controller_inventory_sources) {
        defined('controller_inventories', [source.inventory])
        defined('controller_projects', [source.source_project])
      }
      for (const grant of all.controller_roles) {
        defined('controller_teams', [grant.team])
        defined('controller_templates', grant.job_templates ?? [])
        defined('controller_workflows', grant.workflows ?? [])
        defined('controller_inventories', grant.inventories ?? [])
        defined('controller_projects', grant.projects ?? [])
      }
    })
  })

  it('hold no secret, and have every connection verified', () => {
    forEvery(all => {
      const secret = new Map<string, readonly string[]>([
        ...Object.entries(managedCredentialTypes).map(([name, type]) => [name, type.secret] as const),
        ...all.controller_credential_types.map(
          ({ name, inputs }) => [name, inputs.fields.filter(field => field.secret).map(({ id }) => id)] as const,
        ),
      ])
      for (const { credential_type, inputs, sources } of all.controller_credentials) {
        expect(Object.keys(inputs).filter(input => secret.get(credential_type)?.includes(input))).toEqual([])
        // Without a CA certificate AWX does not verify TLS for a Kubernetes token, and does not report it.
        if ('host' in inputs) expect([inputs.verify_ssl, 'ssl_ca_cert' in sources]).toEqual([true, true])
      }
      for (const { notification_configuration: fields, notification_type, sources } of all.controller_notifications) {
        if (notification_type === 'webhook') expect(fields.disable_ssl_verification).toBe(false)
        if (notification_type === 'mattermost') expect(fields.mattermost_no_verify_ssl).toBe(false)
        const table = tables.notificationConfiguration[notification_type] as Record<string, { type: string }>
        // AWX fills in what is missing, which would then be a difference.
        expect(Object.keys(fields).sort()).toEqual(Object.keys(table).sort())
        const hidden = Object.keys(table).filter(field => table[field]?.type === 'password')
        expect(hidden.map(field => fields[field])).toEqual(hidden.map(() => ''))
        expect(Object.keys(sources).filter(field => !hidden.includes(field))).toEqual([])
      }
    })
  })

  it('have credential types, surveys and rules that AWX accepts', () => {
    forEvery(all => {
      for (const { inputs, injectors } of all.controller_credential_types) {
        const env = Object.fromEntries(Object.entries(injectors.env).map(([name, { text }]) => [name, text]))
        expect(credentialTypeRefusal({ ...inputs }, { env })).toBeUndefined()
        expect(inputs.required.filter(id => !inputs.fields.some(field => field.id === id))).toEqual([])
      }
      for (const { survey_enabled, survey_spec, extra_vars } of all.controller_templates) {
        expect(survey_enabled).toBe(survey_spec !== undefined)
        if (survey_spec) expect(surveyRefusal({ ...survey_spec })).toBeUndefined()
        // A survey's default silently overrides the template's own variable of that name.
        expect(survey_spec?.spec.filter(({ variable }) => variable in extra_vars) ?? []).toEqual([])
      }
      for (const { rrule } of all.controller_schedules) expect(rruleRefusal(rrule)).toBeUndefined()
    })
  })

  it('have job templates that run one job at a time, all of the playbook, within a limit', () => {
    forEvery(all => {
      const types = new Map(all.controller_credentials.map(({ name, credential_type }) => [name, credential_type]))
      for (const template of all.controller_templates) {
        const { credentials, job_slice_count, allow_simultaneous, timeout, job_tags, skip_tags } = template
        expect({ job_slice_count, allow_simultaneous, job_tags, skip_tags }).toEqual({
          job_slice_count: 1,
          allow_simultaneous: false,
        })
        expect(timeout).toBeGreaterThan(0)
        const used = credentials.map(name => types.get(name))
        expect(new Set(used).size, `${template.name} has two credentials of a type`).toBe(used.length)
      }
    })
  })

  it('can change only what the survey asks for', () => {
    forEvery(({ controller_defaults, controller_templates, controller_roles }) => {
      const asks = Object.entries(controller_defaults.templates).filter(([key]) => key.startsWith('ask_'))
      expect(asks.filter(([, value]) => value !== false)).toEqual([])
      for (const template of controller_templates) {
        expect(Object.keys(template).filter(key => key.startsWith('ask_'))).toEqual([])
      }
      expect(controller_roles.filter(({ role }) => role === 'admin')).toEqual([])
    })
  })

  it('answer every required question of what schedules and workflows launch, and set nothing else', () => {
    forEvery(all => {
      const templates = new Map(all.controller_templates.map(template => [template.name, template]))
      const launches = [
        ...all.controller_schedules.map(({ unified_job_template: name, extra_data }) => ({ name, extra_data })),
        ...all.controller_workflows.flatMap(({ nodes }) =>
          nodes.map(node => ({ name: node.unified_job_template ?? '', extra_data: node.extra_data ?? {} })),
        ),
      ]
      for (const { name, extra_data } of launches) {
        const questions = questionsOf(templates.get(name))
        const open = questions.filter(({ required, variable }) => required && !extra_data[variable])
        expect(open.map(({ variable }) => variable)).toEqual([])
        const asked = questions.map(({ variable }) => variable)
        expect(Object.keys(extra_data).filter(variable => !asked.includes(variable))).toEqual([])
        for (const question of questions.filter(({ type }) => type === 'multiplechoice')) {
          const answer = extra_data[question.variable]
          if (answer !== undefined) expect(question.choices).toContain(answer)
        }
      }
    })
  })

  it('have workflows that end, red after a failure, and wait for nobody for ever', () => {
    forEvery(all => {
      const scheduled = new Set(all.controller_schedules.map(({ unified_job_template }) => unified_job_template))
      for (const { name, nodes } of all.controller_workflows) {
        const order = new Map(nodes.map(({ identifier }, index) => [identifier, index]))
        expect(order.size).toBe(nodes.length)
        for (const node of nodes) {
          expect((node.unified_job_template === undefined) !== (node.approval_node === undefined)).toBe(true)
          // Every link leads to a later node: there is no cycle.
          for (const next of links.flatMap(key => node[key])) {
            expect(order.get(next), `${name}: ${next}`).toBeGreaterThan(order.get(node.identifier) ?? 0)
          }
          expect([...node.failure_nodes, ...node.always_nodes]).toEqual([])
          expect({ limit: node.limit, job_tags: node.job_tags }).toEqual({})
          if (!node.approval_node) continue
          expect(node.approval_node.timeout).toBeGreaterThan(0)
          expect(scheduled.has(name)).toBe(false)
        }
      }
    })
  })

  it('send nothing on a day on which every job succeeds, unless the config asks for it', () => {
    forEvery((all, config) => {
      const wanted = config.notifications.also ?? []
      for (const { name, notification_templates_started, notification_templates_success } of launched(all)) {
        expect(notification_templates_started.length > 0).toBe(wanted.includes('started'))
        // "Well again" is launched only after an error has gone.
        const told = wanted.includes('succeeded') || name === 'Well again'
        expect(notification_templates_success.length > 0).toBe(told)
      }
      expect(all.controller_schedules.map(schedule => schedule.unified_job_template)).not.toContain('Well again')
    })
  })

  it('send at most one message a day in a healthy installation', () => {
    forEvery((all, config) => {
      if (config.notifications.also) return
      // Every scheduled job succeeds: nothing is sent for starts and successes. Others are launched by a person, or after
      // an error.
      const scheduled = new Set(all.controller_schedules.map(schedule => schedule.unified_job_template))
      const daily = launched(all).filter(({ name }) => scheduled.has(name))
      const sent = daily.flatMap(({ notification_templates_started, notification_templates_success }) => [
        ...notification_templates_started,
        ...notification_templates_success,
      ])
      expect(sent.length).toBeLessThanOrEqual(1)
    })
  })

  it('say which system, since when, how bad and what to do', () => {
    forEvery(all => {
      for (const { messages, notification_type } of all.controller_notifications) {
        const textOf = (message: Message | null) =>
          Object.values(message ?? {})
            .map(({ text }) => text)
            .join('\n')
        const [said, well] = [textOf(messages.error), textOf(messages.success)]
        for (const part of [
          '{{ job.limit | default(job.name, true) }}',
          'Since {{ job.finished }}',
          'are not affected',
          'To do: ',
          '{{ url }}',
        ]) {
          expect(said).toContain(part)
        }
        for (const part of ['well_again_system', 'well_again_since', 'well_again_bad', 'To do: ', '{{ url }}']) {
          expect(well).toContain(part)
        }
        if (notification_type === 'webhook') {
          for (const text of [said, well]) expect(JSON.parse(text)).toMatchObject({ job: '{{ job.name }}' })
        }
        const { started, success, error, workflow_approval } = messages
        expect(started).toBeNull()
        for (const [event, message] of Object.entries(workflow_approval)) {
          const asked = textOf(message)
          for (const part of ['{{ approval_node_name }}', 'The recovery ', 'To do: ', '{{ workflow_url }}'])
            expect(asked).toContain(part)
          // AWX sets nothing of a job for an approval.
          expect(asked, event).not.toMatch(/\{\{ *(job|url)\b/)
          if (notification_type === 'webhook') {
            expect(JSON.parse(asked)).toMatchObject({ status: '{{ approval_status }}' })
          }
        }
        // AWX refuses a message with a line break; a body may have them.
        for (const said of [success, error, ...Object.values(workflow_approval)]) {
          expect(said?.message?.text ?? '').not.toMatch(/\n/)
        }
      }
    })
  })

  it('send word of every failure, once', () => {
    forEvery(all => {
      for (const object of launched(all)) {
        expect(object.notification_templates_error.length).toBeGreaterThan(0)
        for (const [key, to] of Object.entries(object)) {
          if (key.startsWith('notification_templates_'))
            expect(new Set(to as string[]).size).toBe((to as string[]).length)
        }
      }
      const above = [...all.controller_organizations, ...all.controller_projects].flatMap(Object.keys)
      expect(above.filter(key => key.startsWith('notification_templates_'))).toEqual([])
    })
  })
})
