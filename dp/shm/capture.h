// What lbdp and a capture's reader agree on: the words on the engine's socket, and the memory that
// packets are copied to.
//
// A reader connects to RUN_DIR/lbdp.sock (a sequenced-packet Unix socket) and sends one
// CaptureRequest. The engine answers with one CaptureAnswer, and if it accepts, with the descriptor
// of an anonymous file that holds a CaptureHeader and a ring, the lane, for each worker. The file
// is sealed so that the reader can only map it read-only: one writer, as for every segment. What
// the reader has read it tells by messages of one position a lane, and the engine's control thread
// passes that on to the workers. Either side ends the capture by closing the socket.
//
// A lane is a ring of bytes. Positions count bytes since the beginning and never wrap; a record
// starts at a multiple of 32 and never crosses the ring's end. What finds no room is lost to the
// capture, and counted; nothing waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dp/base/cache_line.h"
#include "dp/net/classic_bpf.h"
#include "dp/shm/drop_reason.h"
#include "dp/shm/layout.h"
#include "dp/shm/tables.h"
#include "dp/shm/telemetry.h"

namespace fairlead::shm {

inline constexpr const char* kEngineSocket = "lbdp.sock";

enum class CapturePoint : std::uint8_t {
    kReceive,   // as it arrived
    kTransmit,  // as it leaves
    kDrop,      // as it arrived, with the reason
};
inline constexpr std::size_t kCapturePoints = 3;

[[nodiscard]] constexpr std::uint32_t bit_of(CapturePoint point) noexcept {
    return 1U << static_cast<unsigned>(point);
}

inline constexpr std::uint32_t kMaxSnapBytes = 16'384;
inline constexpr std::uint32_t kMaxCaptureSeconds = 3'600;

// ---- on the socket

struct CaptureRequest {
    std::uint32_t fingerprint = 0;  // kCaptureFingerprint of the reader
    std::uint32_t points = 0;       // bit_of(), or-ed
    std::uint32_t snap_bytes = 0;   // of a packet, 1 to kMaxSnapBytes
    std::uint32_t seconds = 0;      // 1 to kMaxCaptureSeconds: the engine ends it then
    std::uint32_t instructions = 0;
    std::uint32_t reserved = 0;
    // As many as there are; the message ends behind them.
    std::array<FilterInstruction, kMaxFilterInstructions> filter{};
};

struct CaptureAnswer {
    std::uint32_t is_accepted = 0;
    std::array<char, 252> message{};  // why not
};

// ---- in memory

inline constexpr std::size_t kCaptureAlignment = 32;
inline constexpr std::uint8_t kCapturePadding = 255;  // a point: nothing more up to the ring's end

struct CaptureRecord {
    std::uint64_t tsc = 0;
    std::uint32_t length = 0;    // of the frame
    std::uint32_t captured = 0;  // bytes of it that follow this record
    std::uint8_t point = 0;
    std::uint8_t port = 0;
    std::uint8_t reason = 0;  // DropReason
    std::array<std::uint8_t, 13> reserved{};
};
static_assert(sizeof(CaptureRecord) == kCaptureAlignment);

struct alignas(kCacheLineBytes) CaptureLane {
    // Bytes written. Stored with release by the worker when records are whole; the reader acquires.
    std::atomic<std::uint64_t> written;
    std::array<std::uint8_t, 56> reserved;
    std::array<Counter, kMaxPorts * kCapturePoints> lost;  // by port, then point
    // The ring's bytes follow.
};
static_assert(sizeof(CaptureLane) == 7 * kCacheLineBytes);

struct alignas(kCacheLineBytes) CaptureHeader {
    std::uint32_t lanes = 0;
    std::uint32_t port_count = 0;
    std::uint64_t ring_bytes = 0;  // of a lane, a power of two
    std::uint64_t lane_stride = 0;
    std::uint64_t lanes_offset = 0;
    // A moment by both clocks, and what turns one into the other.
    std::uint64_t start_tsc = 0;
    std::uint64_t start_epoch_ns = 0;
    std::uint64_t tsc_per_second = 0;
    std::uint64_t reserved = 0;
    std::array<Name, kMaxPorts> port_names{};
};
static_assert(sizeof(CaptureHeader) == 17 * kCacheLineBytes);

inline constexpr std::uint32_t kCaptureVersion = 1;
inline constexpr std::uint32_t kCaptureFingerprint = fingerprint_of({kCaptureVersion,
                                                                     sizeof(CaptureHeader),
                                                                     sizeof(CaptureLane),
                                                                     sizeof(CaptureRecord),
                                                                     sizeof(CaptureRequest),
                                                                     sizeof(CaptureAnswer),
                                                                     kDropReasonCount,
                                                                     kMaxPorts,
                                                                     kMaxSnapBytes,
                                                                     kMaxCaptureSeconds});

}  // namespace fairlead::shm
