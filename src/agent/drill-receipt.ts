/** The name under which a system's drills keep their receipts. No system's own name has a dot. */
export function drillSystem(system: string): string {
  return `drill.${system}`
}
