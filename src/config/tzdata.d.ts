declare module 'tzdata/timezone-data.json' {
  /** The IANA time zone database: every zone and link by its name. */
  const data: { readonly version: string; readonly zones: Readonly<Record<string, unknown>> }
  export default data
}
