import { type AwxRule, placeOf } from './rule.ts'

export const notificationMissing: AwxRule = {
  id: 'awx-notification-missing',
  description: 'A job or workflow whose failure nobody hears of.',
  check: ({ controller_templates, controller_workflows }) => [
    ...controller_templates
      .filter(({ notification_templates_error: error }) => error.length === 0)
      .map(({ name }) => ({ path: placeOf('controller_templates', name, 'notification_templates_error'), ...said })),
    ...controller_workflows
      .filter(({ notification_templates_error: error }) => error.length === 0)
      .map(({ name }) => ({ path: placeOf('controller_workflows', name, 'notification_templates_error'), ...said })),
  ],
}

const said = { message: 'nobody hears when it fails', suggest: 'name a notification template' }
