import type { Rule } from './rule.ts'

export const nobodyTold: Rule = {
  id: 'nobody-told',
  description: 'Failed jobs are told by one way at least: a webhook, Mattermost, Slack or mail.',
  check: ({ notifications: { webhook, mattermost, slack, email } }) =>
    webhook || mattermost || slack || email
      ? []
      : [
          {
            path: 'notifications',
            message: 'names no way to tell anybody of a failed job',
            suggest: 'add `webhook`, `mattermost`, `slack` or `email`',
          },
        ],
}
