// Packets to a pcapng file, which Wireshark, tshark and tcpdump read: the blocks and options of
// draft-ietf-opsawg-pcapng that are needed here, in this machine's byte order, with times in
// nanoseconds.
//
// The file is whole after every call. What cannot be written is seen in the stream's state.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::capture {

enum class Direction : std::uint32_t {
    kUnknown = 0,
    kInbound = 1,
    kOutbound = 2
};

struct CapturedPacket {
    std::uint32_t interface = 0;
    std::uint64_t epoch_ns = 0;
    std::uint32_t length = 0;             // of the frame
    std::span<const std::uint8_t> bytes;  // as many of it as were captured
    Direction direction = Direction::kUnknown;
    std::uint32_t queue = 0;
    std::string_view comment;  // empty: none
};

struct InterfaceStatistics {
    std::uint32_t interface = 0;
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;  // lost to the capture
};

class PcapngWriter {
  public:
    // Begins the section. `application` made the file.
    PcapngWriter(std::ostream& out, std::string_view application);

    // An Ethernet interface; its number.
    std::uint32_t add_interface(std::string_view name,
                                std::uint32_t snap_bytes,
                                std::string_view filter);
    void write(const CapturedPacket& packet);
    void write(const InterfaceStatistics& statistics);

  private:
    void write_block(std::uint32_t type, const std::string& body);

    std::ostream& out_;
    std::uint32_t interfaces_ = 0;
};

}  // namespace fairlead::capture
