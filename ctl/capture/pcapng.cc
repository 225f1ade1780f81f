#include "ctl/capture/pcapng.h"

#include <array>
#include <cstring>

namespace fairlead::capture {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0A0D'0D0A;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B'3C4D;
constexpr std::uint16_t kLinkTypeEthernet = 1;

// Options' codes, by block.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kSectionApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kInterfaceTimeResolution = 9;
constexpr std::uint16_t kInterfaceFilter = 11;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kPacketQueue = 6;
constexpr std::uint16_t kStatisticsStart = 2;
constexpr std::uint16_t kStatisticsEnd = 3;
constexpr std::uint16_t kStatisticsReceived = 4;
constexpr std::uint16_t kStatisticsDropped = 5;
constexpr std::size_t kMaxOptionBytes = 0xFFFF;

template <typename T>
void append(std::string& to, T value) {
    std::array<char, sizeof value> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    to.append(bytes.data(), bytes.size());
}

void pad(std::string& to) {
    to.append((4 - to.size() % 4) % 4, '\0');
}

void append_option(std::string& to, std::uint16_t code, std::string_view value) {
    value = value.substr(0, kMaxOptionBytes);
    append(to, code);
    append(to, static_cast<std::uint16_t>(value.size()));
    to += value;
    pad(to);
}

template <typename T>
void append_number_option(std::string& to, std::uint16_t code, T value) {
    std::string bytes;
    append(bytes, value);
    append_option(to, code, bytes);
}

// Times stand as two words, the high one first, whatever the byte order.
void append_time(std::string& to, std::uint64_t epoch_ns) {
    append(to, static_cast<std::uint32_t>(epoch_ns >> 32U));
    append(to, static_cast<std::uint32_t>(epoch_ns));
}

void append_time_option(std::string& to, std::uint16_t code, std::uint64_t epoch_ns) {
    std::string bytes;
    append_time(bytes, epoch_ns);
    append_option(to, code, bytes);
}

}  // namespace

PcapngWriter::PcapngWriter(std::ostream& out, std::string_view application) : out_(out) {
    std::string body;
    append(body, kByteOrderMagic);
    append(body, std::uint16_t{1});  // version 1.0
    append(body, std::uint16_t{0});
    append(body, std::int64_t{-1});  // length of the section: not known
    append_option(body, kSectionApplication, application);
    append_option(body, kEndOfOptions, "");
    write_block(kSectionHeader, body);
}

void PcapngWriter::write_block(std::uint32_t type, const std::string& body) {
    const auto length = static_cast<std::uint32_t>(body.size() + 3 * sizeof(std::uint32_t));
    std::string block;
    append(block, type);
    append(block, length);
    block += body;
    append(block, length);
    out_.write(block.data(), static_cast<std::streamsize>(block.size()));
}

std::uint32_t PcapngWriter::add_interface(std::string_view name,
                                          std::uint32_t snap_bytes,
                                          std::string_view filter) {
    std::string body;
    append(body, kLinkTypeEthernet);
    append(body, std::uint16_t{0});
    append(body, snap_bytes);
    append_option(body, kInterfaceName, name);
    append_number_option(body, kInterfaceTimeResolution, std::uint8_t{9});  // 10^-9 s
    if (!filter.empty()) {
        append_option(body, kInterfaceFilter, std::string(1, '\0').append(filter));  // as text
    }
    append_option(body, kEndOfOptions, "");
    write_block(kInterfaceDescription, body);
    return interfaces_++;
}

void PcapngWriter::write(const CapturedPacket& packet) {
    std::string body;
    append(body, packet.interface);
    append_time(body, packet.epoch_ns);
    append(body, static_cast<std::uint32_t>(packet.bytes.size()));
    append(body, packet.length);
    for (const std::uint8_t byte : packet.bytes) {
        body += static_cast<char>(byte);
    }
    pad(body);
    append_number_option(body, kPacketFlags, static_cast<std::uint32_t>(packet.direction));
    append_number_option(body, kPacketQueue, packet.queue);
    if (!packet.comment.empty()) {
        append_option(body, kComment, packet.comment);
    }
    append_option(body, kEndOfOptions, "");
    write_block(kEnhancedPacket, body);
}

void PcapngWriter::write(const InterfaceStatistics& statistics) {
    std::string body;
    append(body, statistics.interface);
    append_time(body, statistics.end_ns);
    append_time_option(body, kStatisticsStart, statistics.start_ns);
    append_time_option(body, kStatisticsEnd, statistics.end_ns);
    append_number_option(body, kStatisticsReceived, statistics.received);
    append_number_option(body, kStatisticsDropped, statistics.dropped);
    append_option(body, kEndOfOptions, "");
    write_block(kInterfaceStatistics, body);
}

}  // namespace fairlead::capture
