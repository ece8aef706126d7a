/** The receipts of each system. */
export const RECEIPTS = '.receipts/'

/** The manifests of each tree of files. */
export const MANIFESTS = '.manifests/'

/** Where replaced and deleted objects are kept for some days: `.trash/<start of the run>/<key>`. */
export const TRASH = '.trash/'

/** Where objects are moved that claim to be from the future: `.set-aside/<key>`. */
export const SET_ASIDE = '.set-aside/'

/** The folders of a bucket whose objects are not copies. */
export const ownFolders: readonly string[] = [RECEIPTS, MANIFESTS, TRASH, SET_ASIDE]
