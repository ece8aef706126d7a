import { stripTypeScriptTypes } from 'node:module'
import { type Expression, type Node, type ObjectExpression, type Program, parse } from 'acorn'

/**
 * The line of a config file on which a place of the config is written, counted from 1; the nearest line above it if the
 * place is not written out (spread from a constant, or missing). `undefined` for a source that does not parse.
 *
 * @param path as problems name it: `systems[3] (production-stack-db).schedule.minute`
 */
export function lineOf(source: string, path: string): number | undefined {
  const program = programOf(source)
  if (!program) return undefined
  const constants = new Map(
    program.body.flatMap(statement =>
      statement.type === 'VariableDeclaration'
        ? statement.declarations.flatMap(({ id, init }) => (id.type === 'Identifier' && init ? [[id.name, init]] : []))
        : [],
    ) as [string, Expression][],
  )
  const value = (node: Expression): Expression => {
    if (node.type === 'CallExpression' && node.arguments[0]) return value(node.arguments[0] as Expression)
    if (node.type === 'Identifier') return value(constants.get(node.name) ?? ({ type: 'Literal' } as Expression))
    const cast = node as Node as { readonly expression?: Expression }
    return node.type === 'ParenthesizedExpression' && cast.expression ? value(cast.expression) : node
  }
  const exported = program.body.find(statement => statement.type === 'ExportDefaultDeclaration')
  if (!exported) return undefined
  let line = lineAt(exported)
  let node = value(exported.declaration as Expression)
  for (const step of stepsOf(path)) {
    const next = typeof step === 'number' ? elementOf(node, step) : propertyOf(node, step, value)
    if (!next) break
    line = lineAt(next.at)
    node = value(next.value)
  }
  return line
}

// The last source: a config has many places, and is parsed once.
let last: { readonly source: string; readonly program: Program | undefined } | undefined

function programOf(source: string): Program | undefined {
  if (last?.source !== source) last = { source, program: parsed(source) }
  return last.program
}

function parsed(source: string): Program | undefined {
  try {
    // The types are replaced by blanks: every line stays where it is.
    return parse(stripTypeScriptTypes(source), { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  } catch {
    return undefined
  }
}

interface Found {
  readonly at: Node
  readonly value: Expression
}

function elementOf(node: Expression, index: number): Found | undefined {
  if (node.type !== 'ArrayExpression') return undefined
  const element = node.elements[index]
  return element && element.type !== 'SpreadElement' ? { at: element, value: element } : undefined
}

/** An object's property; if it is not written there itself, that of the constants that it spreads. */
function propertyOf(node: Expression, name: string, value: (node: Expression) => Expression): Found | undefined {
  if (node.type !== 'ObjectExpression') return undefined
  for (const property of [...(node as ObjectExpression).properties].reverse()) {
    if (property.type === 'SpreadElement') {
      const spread = propertyOf(value(property.argument), name, value)
      if (spread) return spread
    } else if (
      !property.computed &&
      ((property.key.type === 'Identifier' && property.key.name === name) ||
        (property.key.type === 'Literal' && property.key.value === name))
    ) {
      return { at: property, value: property.value as Expression }
    }
  }
  return undefined
}

const lineAt = (node: Node) => node.loc?.start.line

function stepsOf(path: string): (string | number)[] {
  return [...path.replaceAll(/ \([^)]*\)/g, '').matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key = '']) =>
    index === undefined ? key : Number(index),
  )
}
