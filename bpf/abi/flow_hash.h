/* The flow hash: a connection's addresses, ports and protocol to 64 bits, by one formula for the
 * engine, the BPF programs and the daemon. Plain C without a library, so that all of them can
 * include it.
 *
 * Theory of operation
 *
 * Words. A flow is a row of 32-bit words, each the number that a little-endian CPU reads from the
 * packet, whose bytes stand in network order:
 *
 *     IPv4   w0 = source, w1 = destination                                w2 = ports and protocol
 *     IPv6   w0..w3 = source, w4..w7 = destination (four bytes a word)     w8 = ports and protocol
 *     ports and protocol = source port | destination port << 16 | protocol << 32
 *
 * A big-endian CPU swaps the words first, so the hash is the same on every CPU.
 *
 * Sum. Each word is multiplied by a key of its own and the products are added, modulo 2^64
 * (multilinear hashing: Carter and Wegman, "Universal classes of hash functions", 1979; Lemire and
 * Kaser, "Strongly universal string hashing is fast", 2014). The keys come from the seed:
 *
 *     k(i) = rotate_left(seed, 7 i) xor S(i)
 *     h    = seed + sum of w(i) k(i)
 *
 * where S(i) is the first 64 bits of the fraction of the square root of the i-th prime: 2, 3,
 * .. 23.
 *
 * With random keys two flows that differ in an address or a port meet in all 64 bits with a
 * probability of at most 2^-33, so somebody who does not know the seed cannot aim at one bucket or
 * one slot. The multiplications do not wait for each other, and the keys not for the packet.
 *
 * Finish. The sum's low bits know only the words' low bits. One round of multiply and xorshift lets
 * every input bit reach every output bit:
 *
 *     h = (h xor h >> 32) * G
 *     h =  h xor h >> 32
 *
 * where G is the first 64 bits of the golden ratio's fraction.
 *
 * Use. The low 32 bits choose flow-table buckets; the high 32 bits are the signature, and choose
 * the slot of the ring. It is no cryptographic hash: the seed must be 64 random bits, and stay
 * private.
 *
 * Source hash. A service may bind its clients to backends: then the slot is chosen by the hash of
 * the source's first bits alone, with all other bits and words 0, so every connection of a client
 * has one slot, and so have all clients of one prefix:
 *
 *     h = seed + sum of k(i) (w(i) and mask(i)) over the words of the source, finished as above
 *
 * The VIP is not in it: two services with the same backends and weights, hence the same ring, send
 * a client to the same backend.
 *
 * Worked example: seed 0x0123456789abcdef, TCP 192.0.2.1:1024 to 203.0.113.10:443. A little-endian
 * CPU reads the source as 0x010200c0, the destination as 0x0a7100cb and the ports as 0x0004 and
 * 0xbb01, so w2 is 0x6bb010004; the hash is 0xa0547af4b57b0b92, its slot in a ring of 65,537 is
 * 41,045.
 */
#ifndef FAIRLEAD_BPF_ABI_FLOW_HASH_H
#define FAIRLEAD_BPF_ABI_FLOW_HASH_H

#include <linux/types.h>

/* C++ compiles with -Wold-style-cast, C has nothing else. */
#ifdef __cplusplus
#define FL_TO_U32(value) static_cast<__u32>(value)
#define FL_TO_U8(value) static_cast<__u8>(value)
#else
#define FL_TO_U32(value) ((__u32)(value))
#define FL_TO_U8(value) ((__u8)(value))
#endif

#define FL_ALWAYS_INLINE static inline __attribute__((always_inline))

/* The fractions of the square roots of the first nine primes. */
#define FL_FLOW_S0 0x6a09e667f3bcc908ULL
#define FL_FLOW_S1 0xbb67ae8584caa73bULL
#define FL_FLOW_S2 0x3c6ef372fe94f82bULL
#define FL_FLOW_S3 0xa54ff53a5f1d36f1ULL
#define FL_FLOW_S4 0x510e527fade682d1ULL
#define FL_FLOW_S5 0x9b05688c2b3e6c1fULL
#define FL_FLOW_S6 0x1f83d9abfb41bd6bULL
#define FL_FLOW_S7 0x5be0cd19137e2179ULL
#define FL_FLOW_S8 0xcbbb9d5dc1059ed8ULL
/* The fraction of the golden ratio. */
#define FL_FLOW_G 0x9e3779b97f4a7c15ULL

FL_ALWAYS_INLINE __u32 fl_little32(__u32 loaded) {
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(loaded) : loaded;
}

FL_ALWAYS_INLINE __u16 fl_little16(__u16 loaded) {
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap16(loaded) : loaded;
}

/* Reads four bytes, aligned or not. */
FL_ALWAYS_INLINE __u64 fl_load_little32(const __u8* bytes) {
    __u32 loaded = 0;
    __builtin_memcpy(&loaded, bytes, sizeof(loaded));
    return fl_little32(loaded);
}

/* k(i); `turn` is 7 i, from 0 to 56. */
FL_ALWAYS_INLINE __u64 fl_flow_key(__u64 seed, __u32 turn, __u64 square_root) {
    return ((seed << turn) | (seed >> ((64 - turn) & 63))) ^ square_root;
}

FL_ALWAYS_INLINE __u64 fl_flow_transport(__u16 sport_be, __u16 dport_be, __u8 protocol) {
    const __u64 source = fl_little16(sport_be);
    const __u64 destination = fl_little16(dport_be);
    const __u64 proto = protocol;
    return source | destination << 16 | proto << 32;
}

FL_ALWAYS_INLINE __u64 fl_flow_finish(__u64 sum) {
    const __u64 mixed = (sum ^ sum >> 32) * FL_FLOW_G;
    return mixed ^ mixed >> 32;
}

/* Addresses and ports as loaded from the packet, in network order. Without ports (a protocol that
 * has none) they are 0. */
FL_ALWAYS_INLINE __u64 fl_flow_hash_v4(
    __u64 seed, __u32 saddr_be, __u32 daddr_be, __u16 sport_be, __u16 dport_be, __u8 protocol) {
    const __u64 source = fl_little32(saddr_be);
    const __u64 destination = fl_little32(daddr_be);
    const __u64 transport = fl_flow_transport(sport_be, dport_be, protocol);
    return fl_flow_finish(seed + source * fl_flow_key(seed, 0, FL_FLOW_S0) +
                          destination * fl_flow_key(seed, 7, FL_FLOW_S1) +
                          transport * fl_flow_key(seed, 14, FL_FLOW_S2));
}

/* `saddr` and `daddr` are the 16 bytes of each address as they stand in the packet, at any
 * alignment. */
FL_ALWAYS_INLINE __u64 fl_flow_hash_v6(__u64 seed,
                                       const __u8* saddr,
                                       const __u8* daddr,
                                       __u16 sport_be,
                                       __u16 dport_be,
                                       __u8 protocol) {
    const __u64 transport = fl_flow_transport(sport_be, dport_be, protocol);
    return fl_flow_finish(seed + fl_load_little32(saddr) * fl_flow_key(seed, 0, FL_FLOW_S0) +
                          fl_load_little32(saddr + 4) * fl_flow_key(seed, 7, FL_FLOW_S1) +
                          fl_load_little32(saddr + 8) * fl_flow_key(seed, 14, FL_FLOW_S2) +
                          fl_load_little32(saddr + 12) * fl_flow_key(seed, 21, FL_FLOW_S3) +
                          fl_load_little32(daddr) * fl_flow_key(seed, 28, FL_FLOW_S4) +
                          fl_load_little32(daddr + 4) * fl_flow_key(seed, 35, FL_FLOW_S5) +
                          fl_load_little32(daddr + 8) * fl_flow_key(seed, 42, FL_FLOW_S6) +
                          fl_load_little32(daddr + 12) * fl_flow_key(seed, 49, FL_FLOW_S7) +
                          transport * fl_flow_key(seed, 56, FL_FLOW_S8));
}

/* Byte `index` of an address of which the first `bits` bits count. */
FL_ALWAYS_INLINE __u8 fl_masked_byte(__u8 byte, __u32 index, __u32 bits) {
    const __u32 before = 8 * index;
    if (bits >= before + 8) {
        return byte;
    }
    return bits <= before ? FL_TO_U8(0) : FL_TO_U8(byte & (0xFF00U >> (bits - before)));
}

/* The source hash of the 4 bytes at `saddr`, at any alignment, as they stand in the packet. `bits`
 * above 32 count as 32. */
FL_ALWAYS_INLINE __u64 fl_source_hash_v4(__u64 seed, const __u8* saddr, __u32 bits) {
    __u8 masked[4];
    __u32 source = 0;
    __u32 i = 0;
    for (i = 0; i < 4; ++i) {
        masked[i] = fl_masked_byte(saddr[i], i, bits);
    }
    __builtin_memcpy(&source, masked, sizeof(source));
    return fl_flow_hash_v4(seed, source, 0, 0, 0, 0);
}

/* The same of 16 bytes. */
FL_ALWAYS_INLINE __u64 fl_source_hash_v6(__u64 seed, const __u8* saddr, __u32 bits) {
    const __u8 nothing[16] = {0};
    __u8 masked[16];
    __u32 i = 0;
    for (i = 0; i < 16; ++i) {
        masked[i] = fl_masked_byte(saddr[i], i, bits);
    }
    return fl_flow_hash_v6(seed, masked, nothing, 0, 0, 0);
}

/* The signature: the half of the hash that does not choose the bucket. */
FL_ALWAYS_INLINE __u32 fl_flow_signature(__u64 hash) {
    return FL_TO_U32(hash >> 32);
}

/* The slot of a ring of `ring_size` slots, below ring_size: the high half of the hash as a fraction
 * of 2^32, times the size. One multiplication where a remainder would divide; each slot gets 2^32 /
 * ring_size values, to within one. */
FL_ALWAYS_INLINE __u32 fl_ring_slot(__u64 hash, __u32 ring_size) {
    return FL_TO_U32(((hash >> 32) * ring_size) >> 32);
}

#endif
