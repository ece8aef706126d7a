import { instance } from '@viz-js/viz'

/** A row of the table of rooms in `docs/ARCHITECTURE.md`. */
export interface Room {
  /** Its folder, as `src/config`. */
  readonly name: string
  /** The rooms that its files import; nothing else is allowed. */
  readonly imports: readonly string[]
  /** What its files may not do: `files`, `programs`, `network`, `environment`, `terminal`. */
  readonly mayNot: readonly string[]
}

/** The table of rooms: those rows of a Markdown text whose first cell is a folder in `src/` or `tools/`. */
export function readRooms(markdown: string): Room[] {
  return markdown.split('\n').flatMap(line => {
    const [, first = '', , imports = '', mayNot = ''] = line.split('|').map(cell => cell.trim())
    const name = /^`((?:src|tools)[^`]*)`$/.exec(first)?.[1]
    if (!name) return []
    const words = (cell: string) => cell.replaceAll('`', '').split(', ').filter(Boolean)
    return [
      { name, imports: words(imports).map(room => (room === 'tools' ? room : `src/${room}`)), mayNot: words(mayNot) },
    ]
  })
}

/** Every room that a room reaches by its imports and theirs. */
export function reachable(rooms: readonly Room[], from: string, seen = new Set<string>()): Set<string> {
  for (const next of rooms.find(({ name }) => name === from)?.imports ?? []) {
    if (seen.has(next)) continue
    seen.add(next)
    reachable(rooms, next, seen)
  }
  return seen
}

// Wins over the colours that Graphviz writes as attributes.
const style = `<style>
text{font-family:system-ui,sans-serif;fill:#1c2733}.node path{fill:#eef3f8;stroke:#7a8b99}.cluster path{fill:none;stroke:#7a8b99;stroke-dasharray:4}
.edge path{stroke:#4b5b69}.edge polygon{fill:#4b5b69;stroke:#4b5b69}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.node path{fill:#1f2a35;stroke:#8296a8}.cluster path{stroke:#8296a8}.edge path{stroke:#9fb1c1}.edge polygon{fill:#9fb1c1;stroke:#9fb1c1}}
</style>`

/**
 * The rooms as a picture (SVG), every arrow from a room to one that it imports. An import that is reached along other
 * arrows too has no arrow of its own.
 */
export async function architecturePicture(rooms: readonly Room[]): Promise<string> {
  const edges = rooms.flatMap(({ name, imports }) =>
    imports
      .filter(to => !imports.some(other => other !== to && reachable(rooms, other).has(to)))
      .map(to => `"${name}" -> "${to}"`),
  )
  const [agent, rest] = [rooms.filter(isAgent), rooms.filter(room => !isAgent(room))]
  const nodes = (of: readonly Room[]) => of.map(({ name }) => `"${name}"`).join('; ')
  const graph = `digraph {
    graph [bgcolor=transparent nodesep=0.25 ranksep=0.45]
    node [shape=box style="rounded,filled" fontname="sans-serif" fontsize=13 height=0.4 margin="0.2,0.05"]
    edge [arrowsize=0.7]
    ${nodes(rest)}
    subgraph cluster_agent { label="inside the agent's image" fontname="sans-serif" fontsize=12 style="rounded,dashed"; ${nodes(agent)} }
    ${edges.join('\n')}
  }`
  const svg = (await instance()).renderString(graph, { format: 'svg' })
  return `<!-- Made from docs/ARCHITECTURE.md by \`npm run generate\`. Changes here are lost. -->\n${svg
    .slice(svg.indexOf('<svg'))
    .replace('>', ` role="img" aria-label="The rooms of src/ and tools/, and which imports which">\n${style}`)}`
}

function isAgent({ name }: Room): boolean {
  return name.startsWith('src/agent')
}
