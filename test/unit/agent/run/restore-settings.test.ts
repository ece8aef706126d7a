import { expect, test } from 'vitest'
import { Variables } from '../../../../src/agent/run/environment.ts'
import { wanted } from '../../../../src/agent/run/restore-settings.ts'

const asked = (text: string) => wanted(new Variables({ FROM_BACKUP: text }))
const time = (at: string) => ({ which: 'time', at: new Date(at) })

test.each([
  ['2026-01-31', '2026-01-31T23:59:59.999Z'],
  ['2026-01-31T03:07Z', '2026-01-31T03:07:59.999Z'],
  ['2026-01-31T03:07', '2026-01-31T03:07:59.999Z'],
  ['2026-01-31T03:07:00Z', '2026-01-31T03:07:00.999Z'],
  ['2026-01-31T03:07:00', '2026-01-31T03:07:00.999Z'],
  ['2026-01-31T03:07:00.000Z', '2026-01-31T03:07:00.000Z'],
  ['2026-01-31T03:07:00.5Z', '2026-01-31T03:07:00.500Z'],
])('%s is the end of what it names: %s', (text, at) => expect(asked(text)).toEqual(time(at)))

test.each(['2026-02-31', '2026-13-01', '2026-01-31T25:00Z', '2026-01-31T03:07+01:00', 'yesterday', '31.1.2026'])(
  '%s is no time',
  text => {
    const variables = new Variables({ FROM_BACKUP: text })
    wanted(variables)
    expect(() => variables.check()).toThrow('FROM_BACKUP')
  },
)
