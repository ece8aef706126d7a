import { kindOf } from '../../kinds/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const drillKeyShared: Rule = {
  id: 'drill-key-shared',
  description:
    "The private key of a kit's drills is in its cluster. If it opens another kit too, or is an operator's, whoever can read one namespace gets the Secrets of others, or opens encrypted copies.",
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
    return systems.flatMap(({ drill, index }): Finding[] => {
      if (drill === undefined) return []
      const operators = operatorsOf.get(drill) ?? []
      // Of two drills with one key, the later one is at fault.
      const drills = (drillsOf.get(drill) ?? []).filter(other => other.index < index)
      if (operators.length === 0 && drills.length === 0) return []
      const message =
        operators.length > 0
          ? `is among the \`recipients\` of ${named(operators)}, the operators' keys: the private key of drills is in the cluster, and opens their copies`
          : `opens ${named(drills)} too: whoever can read the Secret of one drill gets the Secrets of both`
      return [
        {
          path: placeOf(config, index, 'drillIdentity.recipient'),
          message,
          suggest: "make a key for this kit's drills alone (`age-keygen`)",
        },
      ]
    })
  },
}

const named = (systems: readonly { readonly name: string }[]) => systems.map(({ name }) => `\`${name}\``).join(', ')
