import Type from 'typebox'

/** The schema of a Secret with a store's keys. */
export function storeSecretSchema(description: string) {
  return Type.Object(
    {
      name: Type.String({ description: "The Secret's name", format: 'kubernetes-name' }),
      accessKeyId: Type.String({ description: "The key's name in the Secret", format: 'kubernetes-secret-key' }),
      secretAccessKey: Type.String({ description: "The key's name in the Secret", format: 'kubernetes-secret-key' }),
    },
    { additionalProperties: false, description },
  )
}
