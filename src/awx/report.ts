import type { Config } from '../config/index.ts'
import { statusHost } from '../kinds/groups.ts'
import type { TemplateUse } from '../kinds/kind.ts'
import { rrule } from '../schedule/index.ts'
import { kubernetesCredentialType } from './credential-types.ts'
import { marked } from './mark.ts'
import type { Schedule } from './vocabulary.ts'

/** The job template that writes each month's report; none if the config names no bucket for it. */
export function reportUses({ statusService }: Pick<Config, 'statusService'>): TemplateUse[] {
  if (!statusService?.reports) return []
  return [
    {
      name: 'Report the month',
      description: `Write what the receipts prove of a month into the bucket ${statusService.reports.bucket}, as HTML and JSON`,
      playbook: 'playbooks/report-month.yml',
      limit: statusHost,
      credentials: [{ name: `Kubernetes: ${statusService.cluster}`, type: kubernetesCredentialType }],
      survey: [
        {
          question_name: 'Which month?',
          question_description: 'Such as 2026-10, in UTC; empty is the last one',
          variable: 'status_service_month',
          type: 'text',
          required: false,
          default: '',
          choices: [],
        },
      ],
      // The role's own limit is an hour; a pod may take ten minutes to start.
      timeout: 5400,
      scheduled: true,
    },
  ]
}

/** On the third: buckets keep the receipts of removed copies for 35 days, so those of the month's first day are there. */
export function reportSchedules(config: Pick<Config, 'organisation' | 'statusService'>): Schedule[] {
  return reportUses(config).map(({ name, description }) => ({
    name,
    description: marked(description),
    unified_job_template: name,
    organization: config.organisation,
    rrule: rrule({ every: 'month', on: 3, at: '05:10' }),
    enabled: true,
    extra_data: {},
  }))
}
