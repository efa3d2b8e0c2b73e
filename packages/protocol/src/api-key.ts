/**
 * A key of the API as it is sent: `hf_<the key id's 26 letters>_<64 hex digits>`. It is found by its id and proven by its
 * secret; secret scanners know it, and so does the gateway, which shows it to no app.
 */
export const API_KEY = /hf_(?<letters>[0-9a-hjkmnp-tv-z]{26})_(?<secret>[0-9a-f]{64})/
