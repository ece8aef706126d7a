import type { Config } from '../config/index.ts'
import { dashboard } from './dashboard.ts'
import { ruleGroups } from './rules.ts'

/** The variables of role `status_service`; none if the config has no status service. */
export function statusVariables(config: Config): Record<string, unknown> {
  const { statusService, organisation, store, systems } = config
  if (!statusService) return {}
  const { namespace, image, storeSecret, prometheus, reports } = statusService
  return {
    status_service_namespace: namespace,
    status_service_image: image,
    // A text, so that no part of it is a template.
    status_service_config: JSON.stringify({ organisation, store, systems }, null, 2),
    status_service_store_secret: {
      name: storeSecret.name,
      access_key_id: storeSecret.accessKeyId,
      secret_access_key: storeSecret.secretAccessKey,
    },
    ...(reports && {
      status_service_report_bucket: reports.bucket,
      status_service_report_secret: {
        name: reports.storeSecret.name,
        access_key_id: reports.storeSecret.accessKeyId,
        secret_access_key: reports.storeSecret.secretAccessKey,
      },
    }),
    ...(prometheus && {
      status_service_release: prometheus.release,
      status_service_rule_groups: ruleGroups(config),
      status_service_dashboard: JSON.stringify(dashboard()),
    }),
  }
}
