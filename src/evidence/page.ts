import { atMinute, inBytes } from '../report/quantities.ts'
import { htmlDocument, escapeHtml as text } from '../status/html.ts'
import { duration } from '../store/assess.ts'
import type { Basis, Evidence, SystemEvidence } from './evidence.ts'

/** The evidence as one HTML document without scripts or external resources. */
export function evidencePage({ organisation, month, madeAt, systems }: Evidence): string {
  const title = `Backups of ${text(organisation)} in ${text(month)}`
  return htmlDocument(
    title,
    style,
    `<header>
<h1>${title}</h1>
<p>Made at ${time(madeAt)}; all times are UTC. Every line names the receipt that it rests on: its place in the bucket, and the SHA-256 of its bytes. Each receipt names the hash of the one before it.</p>
</header>
<main>
${table(
  'Summary',
  'Summary',
  ['System', 'Copies', 'Restored', 'Read back', 'Time to recover', 'Findings', 'Chain'],
  systems.map(summary),
)}
${systems.map(section).join('\n')}
</main>`,
  )
}

function summary({ system, copies, proofs, findings, chain, unread }: SystemEvidence): string[] {
  if (unread) return [text(system), `not read: ${text(unread)}`, '–', '–', '–', '–', '–']
  const restored = proofs.filter(({ what }) => what === 'restored')
  const longest = Math.max(-1, ...restored.map(({ seconds = -1 }) => seconds))
  return [
    text(system),
    String(copies.length),
    String(restored.length),
    String(proofs.length - restored.length),
    longest < 0 ? '–' : `at most ${duration(longest * 1000)}`,
    String(findings.length),
    chain.problems.length === 0 ? `unbroken (${chain.receipts} receipts)` : `broken: ${chain.problems.length} places`,
  ]
}

function section({ system, description, copies, proofs, findings, chain, unread }: SystemEvidence): string {
  if (unread) return ''
  return `<section><h2>${text(system)}</h2><p>${text(description)}</p>
${chain.problems.map(problem => `<p class="bad">${text(problem)}</p>`).join('')}
${table(
  'Findings',
  `Findings: ${text(system)}`,
  ['From', 'To', 'What', 'Rests on', 'Closed by'],
  findings.map(({ id, from, to, message, receipt, closedBy }) => [
    time(from),
    to ? time(to) : 'open',
    text(`${id}: ${message}`),
    basis(receipt),
    closedBy ? basis(closedBy) : '–',
  ]),
)}
${table(
  'Proven copies',
  `Proven copies: ${text(system)}`,
  ['At', 'Copy of', 'How', 'Took', 'Counted', 'Receipt'],
  proofs.map(({ end, taken, what, seconds, counts, receipt }) => [
    time(end),
    time(taken),
    what,
    seconds === undefined ? '–' : duration(seconds * 1000),
    counted(counts),
    basis(receipt),
  ]),
)}
${table(
  'Copies made',
  `Copies made: ${text(system)}`,
  ['Taken', 'Object', 'Size', 'SHA-256', 'Counted', 'Receipt'],
  copies.map(({ taken, object, bytes, sha256, counts, receipt }) => [
    time(taken),
    text(object),
    inBytes(bytes),
    `<code>${sha256}</code>`,
    counted(counts),
    basis(receipt),
  ]),
)}</section>`
}

/** @param region what a screen reader calls it; unique on the page */
function table(caption: string, region: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return `<p>${caption}: none.</p>`
  const header = head.map(name => `<th scope="col">${name}</th>`).join('')
  const body = rows.map(row => `<tr>${row.map(cell => `<td>${cell}</td>`).join('')}</tr>`).join('\n')
  return `<div class="wide" tabindex="0" role="region" aria-label="${region}"><table><caption>${caption}</caption><thead><tr>${header}</tr></thead><tbody>${body}</tbody></table></div>`
}

const time = (at: string) => `<time datetime="${at}">${atMinute(new Date(at))}</time>`
const basis = ({ bucket, key, sha256 }: Basis) => `${text(`${bucket}/${key}`)} <code>${sha256}</code>`

function counted(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return all.length === 0 ? '–' : text(all.join(', '))
}

const style = `
body{margin:0 auto;padding:1rem;max-width:90rem;font:15px/1.5 system-ui,sans-serif;color:CanvasText;background:Canvas}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:1rem 0}
caption{text-align:left;font-weight:600}th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid}
th,time{white-space:nowrap}td{min-width:4.5rem}td:has(code){min-width:20rem;overflow-wrap:anywhere}
code{font-size:.75rem}.bad{font-weight:600;border-left:4px solid;padding-left:.5rem}`
