/** The lab's own pair of age keys. It is public: what it opens is the lab's kit, which holds passwords made for the lab. */
export const labKitKey = {
  recipient: 'age1nmgw9fppsww9rrahy9zxxfypcr3hnmgcr5xf4nzqmkyn972vhdcq8mc642',
  identity: 'AGE-SECRET-KEY-15KUXT3M8VREEPRAGF9550NATSPFV5Z6AA9YZ9DSZZMX49WT6H64QWSLK37',
}
