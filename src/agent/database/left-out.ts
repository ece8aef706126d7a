import { NAME, unquoted } from './dump-facts.ts'
import { type Session, StatementError } from './session.ts'

// How a server rejects a setting, a storage parameter, a function or an option: an invalid value, an undefined object
// or function, a syntax error at an unknown word, an invalid name, an option of a foreign data wrapper.
const REFUSALS = new Set(['22023', '42704', '42883', '42601', '42602', 'HV00D'])

const ITEM = `((?:${NAME}\\.)?${NAME})(?:\\s*=\\s*(?:'[^']*'|[^,()'\\s]+)|\\s+'[^']*')?`
const LIST = new RegExp(`(?:(^ALTER [\\s\\S]* SET)|\\s+(?:WITH|OPTIONS)) \\(\\s*(${ITEM}(?:,\\s*${ITEM})*)\\s*\\)`, 'g')
/** Statements that only set a setting. */
const SETTINGS = [
  new RegExp(`^SET (?:SESSION |LOCAL )?(${NAME}(?:\\.${NAME})*) (?:=|TO) `),
  new RegExp(`^ALTER (?:ROLE|USER|DATABASE|SYSTEM) [\\s\\S]*? SET (${NAME}(?:\\.${NAME})*) (?:=|TO) `),
  new RegExp(`^(?:GRANT|REVOKE) [\\s\\S]* ON PARAMETER (${NAME}(?:\\.${NAME})*) (?:TO|FROM) `),
]
const SET_CONFIG = /^SELECT pg_catalog\.set_config\('((?:[^']|'')*)'/
const OF_FUNCTION = new RegExp(`\\n\\s*SET (${NAME}(?:\\.${NAME})*) TO [^\\n]*(?=\\n)`, 'g')
// Functions of later versions that dumps call, for statistics for example.
const CALL = /^SELECT (?:\* FROM )?pg_catalog\.(\w+)\(/
/** Statements that load data. */
const DATA_CALL = /^(?:lo_|lowrite|setval)/

// Privileges on what the server itself brings differ between majors: a function has other arguments, a view lacks a
// column. Undefined column, object, function, table.
const SYSTEM_PRIVILEGE =
  /^(?:GRANT|REVOKE) [\s\S]*? ON (?:[A-Z]+ )*((?:pg_catalog|information_schema)\.[\s\S]*?) (?:TO|FROM) /
const NOT_THERE = new Set(['42703', '42704', '42883', '42P01'])

// How a server refuses a password in a form of another major: too long, not supported, not valid.
const PASSWORD = new RegExp(`^(ALTER ROLE (${NAME}) WITH [\\s\\S]*?) PASSWORD '(?:[^']|'')*'`)
const PASSWORD_REFUSED = new Set(['54000', '0A000', '22023'])

const GRANTED_BY = new RegExp(`^(GRANT ${NAME} TO ${NAME}(?: WITH [A-Z, ]+?)?) GRANTED BY (${NAME});$`)
const GRANTOR_REFUSED = new Set(['42501', '0LP01', '42704'])

// Locales are those of the operating system: an official image of PostgreSQL has en_US.utf8, a bare Debian only C.UTF-8.
const WITH_LOCALE = new RegExp(`^CREATE (?:DATABASE|COLLATION) (?:${NAME}\\.)?${NAME}`)
const LOCALE = /(\b(?:LOCALE|LC_COLLATE|LC_CTYPE) = )'((?:[^']|'')*)'/gi
const LOCALE_REFUSED = new Set(['42809', '22023', '42704'])
const COLLATE = new RegExp(`\\s+COLLATE ((?:${NAME}\\.)?)(${NAME})`, 'g')

/** What a server did not recognise, with the number of occurrences. */
export type LeftOut = Map<string, number>

/**
 * Run a statement of a dump without the parts that the server does not recognise and that hold no data: settings,
 * storage parameters, other options, calls that write statistics, privileges on objects of the server itself. The server decides: whatever its error names is
 * removed from the statement, and the rest is run again.
 *
 * @param statement one character a byte
 * @param undo makes it possible to continue after an error within a transaction
 * @throws StatementError for any other error
 */
export async function runKnown(
  session: Session,
  statement: string,
  leftOut: LeftOut,
  undo: () => Promise<void> = async () => {},
): Promise<void> {
  for (let text = statement; text !== ''; ) {
    try {
      await session.run(Buffer.from(text, 'latin1'))
      return
    } catch (error) {
      if (!(error instanceof StatementError)) throw error
      const rest = withoutUnknown(text, error)
      if (!rest) throw error
      await undo()
      leftOut.set(rest.name, (leftOut.get(rest.name) ?? 0) + 1)
      text = rest.statement
    }
  }
}

/**
 * The statement without what an error names.
 *
 * @returns undefined if the error is about something else; an empty statement if nothing is left
 */
export function withoutUnknown(
  statement: string,
  error: StatementError,
): { name: string; statement: string } | undefined {
  const membership = GRANTED_BY.exec(statement)
  // Since version 16, the bootstrap superuser can be the grantor of memberships that no other role may grant. It has
  // another name on another server; the membership is what counts.
  if (membership && GRANTOR_REFUSED.has(error.code)) {
    return { name: `GRANTED BY ${membership[2]}`, statement: `${membership[1]};` }
  }
  const privilege = NOT_THERE.has(error.code) ? SYSTEM_PRIVILEGE.exec(statement)?.[1] : undefined
  if (privilege !== undefined) return { name: `privileges on ${privilege}`, statement: '' }
  const password = PASSWORD_REFUSED.has(error.code) ? PASSWORD.exec(statement) : null
  if (password) {
    const rest = password[1] + statement.slice(password[0].length)
    return { name: `the password of ${unquoted(password[2] ?? '')}`, statement: rest }
  }
  const locale = LOCALE_REFUSED.has(error.code) ? withoutLocale(statement, error) : undefined
  if (locale) return locale
  if (!REFUSALS.has(error.code)) return undefined
  const called = CALL.exec(statement)?.[1]
  if (called && error.code === '42883' && !DATA_CALL.test(called)) return { name: called, statement: '' }
  const config = SET_CONFIG.exec(statement)?.[1]
  const setting = config ?? SETTINGS.map(pattern => pattern.exec(statement)?.[1]).find(Boolean)
  if (setting !== undefined) return names(error, setting) ? { name: unquoted(setting), statement: '' } : undefined
  const masked = maskedStrings(statement)
  for (const found of masked.matchAll(LIST)) {
    const [whole, alter, items = ''] = found
    const start = found.index + whole.lastIndexOf(items)
    const kept: string[] = []
    let name = ''
    for (const item of items.matchAll(new RegExp(ITEM, 'g'))) {
      const at = start + item.index
      if (name === '' && names(error, item[1] ?? '')) name = item[1] ?? ''
      else kept.push(statement.slice(at, at + item[0].length))
    }
    if (name === '') continue
    const end = found.index + whole.length
    const before = statement.slice(0, kept.length > 0 ? start : found.index)
    const rest =
      kept.length > 0
        ? `${before}${kept.join(', ')})${statement.slice(end)}`
        : alter
          ? ''
          : before + statement.slice(end)
    return { name: unquoted(name), statement: rest }
  }
  for (const found of masked.matchAll(COLLATE)) {
    const [clause, schema = '', name = ''] = found
    const collation = [...(schema ? [unquoted(schema.slice(0, -1))] : []), unquoted(name)].join('.')
    if (!quotes(error, collation)) continue
    const rest = statement.slice(0, found.index) + statement.slice(found.index + clause.length)
    return { name: `the collation ${collation}`, statement: rest }
  }
  for (const found of masked.matchAll(OF_FUNCTION)) {
    const [clause, name = ''] = found
    if (!names(error, name)) continue
    return {
      name: unquoted(name),
      statement: statement.slice(0, found.index) + statement.slice(found.index + clause.length),
    }
  }
  return undefined
}

/** The statement that makes a database or a collation, with a locale that the server has. */
function withoutLocale(statement: string, error: StatementError): { name: string; statement: string } | undefined {
  const [head] = WITH_LOCALE.exec(statement) ?? []
  if (head === undefined) return undefined
  const options = statement.slice(head.length)
  const refused = [...options.matchAll(LOCALE)].map(([, , value = '']) => value.replaceAll("''", "'"))
  const name = refused.find(value => value !== OTHER_LOCALE && quotes(error, value))
  if (name === undefined) return undefined
  // C suits every encoding, but it knows no letters beyond ASCII.
  const other =
    /ENCODING = 'UTF8'/.test(options) && refused.every(value => value !== UTF8_LOCALE) ? UTF8_LOCALE : OTHER_LOCALE
  const changed = options.replaceAll(LOCALE, (_, option: string) => `${option}'${other}'`)
  return { name: `the locale ${name}`, statement: head + changed }
}

const UTF8_LOCALE = 'C.UTF-8'
const OTHER_LOCALE = 'C'

/** The statement with strings (except quoted names) and bodies blanked out; offsets stay the same. */
function maskedStrings(statement: string): string {
  return statement.replace(
    /"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|(\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)[\s\S]*?\1/g,
    text => {
      if (text.startsWith('"')) return text
      const quote = text.indexOf("'")
      const filled = 'x'.repeat(Math.max(0, text.length - 2))
      return quote === 0 ? `'${filled}'` : quote === 1 ? `x'${filled.slice(1)}'` : 'x'.repeat(text.length)
    },
  )
}

/** Whether the server's message names a parameter. Every language of its messages quotes it. */
function names(error: StatementError, written: string): boolean {
  const full = Buffer.from(unquoted(written), 'latin1').toString('utf8')
  // The server reports `toast.x` as "x" or, if it does not know the namespace itself, as "toast".
  return [full, ...full.split('.')].some(name => quotes(error, name))
}

function quotes({ message }: StatementError, name: string): boolean {
  const pattern = name.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')
  return new RegExp(`["'«»„“‚‘「『]\\s*${pattern}\\s*["'«»“”‘’」』]`, 'i').test(message)
}
