import { kindOf, type System } from '../../kinds/index.ts'
import { nearest } from '../../report/problem.ts'
import type { Config } from '../schema.ts'
import type { Rule } from './rule.ts'

type Awx = NonNullable<Config['awx']>

export const awxUnknown: Rule = {
  id: 'awx-unknown',
  description:
    "The runbook restores AWX from the systems that `awx` names: `systems` must define them, the server's copies must hold all its databases, and the kit must keep the Secret.",
  check: ({ awx, systems }) => {
    if (!awx) return []
    const names = systems.map(({ name }) => name)
    return (['server', 'kit'] as const).flatMap(key => {
      const system = systems.find(({ name }) => name === awx[key])
      const [near] = nearest(awx[key], names)
      const wrong = system
        ? unfit[key](system, awx)
        : {
            message: `there is no system \`${awx[key]}\``,
            suggest: near ? `did you mean \`${near}\`?` : 'write the name of a system, or leave out `awx`',
          }
      // The backups run all the same; only the runbook's chapter on AWX is less exact.
      return wrong ? [{ severity: 'warning' as const, path: `awx.${key}`, ...wrong }] : []
    })
  },
}

/** Why a system cannot be what `awx` says that it is. */
const unfit = {
  server(system: System) {
    const questions = kindOf(system)
      .templates(system)
      .flatMap(({ survey }) => survey)
    if (questions.some(({ variable }) => variable === 'backup_system_database')) return undefined
    return {
      message: `no single database can be restored from the copies of \`${system.name}\``,
      suggest: "name the database system of the whole server that holds AWX's database",
    }
  },
  kit(system: System, { secret }: Awx) {
    const kept = kindOf(system).secretsKept?.(system) ?? []
    if (kept.some(({ name }) => name === secret)) return undefined
    return {
      message: `\`${system.name}\` does not keep the Secret \`${secret}\` that \`awx.secret\` names`,
      suggest: `add it to the \`secrets\` of \`${system.name}\`, or name the kit that keeps it`,
    }
  },
}
