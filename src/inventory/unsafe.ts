/** A text that Ansible must not take for a template of its own; written with the tag `!unsafe`. */
export class Unsafe {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
