/** Our mark on AWX: a label, where AWX can label; else the end of the description. What has it and is not here is surplus. */
export const mark = 'fragalysis-backups'

/** A description that ends with our mark. */
export const marked = (description: string) => `${description} [${mark}]`
