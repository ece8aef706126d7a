import { kindOf } from '../../kinds/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const drillKeyShared: Rule = {
  id: 'drill-key-shared',
  description:
    "The private key of drills is in the cluster, or on AWX. If it opens the copies of another system too, or is an operator's, whoever can read one namespace opens what belongs to others.",
  check(config) {
    const systems = config.systems.flatMap((system, index) => {
      const keys = kindOf(system).openedBy?.(system)
      return keys ? [{ name: system.name, index, ...keys }] : []
    })
    const operatorsOf = Map.groupBy(
      systems.flatMap(({ name, operators }) => operators.map(key => ({ name, key }))),
      ({ key }) => key,
    )
    const drillsOf = Map.groupBy(systems, ({ drill }) => drill)
    return systems.flatMap(({ drill, drillAt, index }): Finding[] => {
      if (drill === undefined) return []
      const operators = operatorsOf.get(drill) ?? []
      // Of two drills with one key, the later one is at fault.
      const drills = (drillsOf.get(drill) ?? []).filter(other => other.index < index)
      if (operators.length === 0 && drills.length === 0) return []
      const message =
        operators.length > 0
          ? `is among the \`recipients\` of ${named(operators)}, the operators' keys: the private key of drills is in the cluster, and opens their copies`
          : `opens ${named(drills)} too: whoever can read the Secret of one drill opens the copies of both`
      return [
        {
          path: placeOf(config, index, drillAt),
          message,
          suggest: 'make a key for these drills alone (`age-keygen`)',
        },
      ]
    })
  },
}

const named = (systems: readonly { readonly name: string }[]) => systems.map(({ name }) => `\`${name}\``).join(', ')
