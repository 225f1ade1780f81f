#include "dp/net/ip_address.h"

#include <algorithm>

#include <arpa/inet.h>

#include "dp/net/mac_address.h"

namespace fairlead {

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
    Text buffer{};
    if (text.size() >= buffer.size()) {
        return std::nullopt;
    }
    std::copy(text.begin(), text.end(), buffer.begin());
    std::uint32_t v4 = 0;
    if (inet_pton(AF_INET, buffer.data(), &v4) == 1) {
        return from_v4(Be32::from_raw(v4));
    }
    std::array<std::uint8_t, 16> v6{};
    if (inet_pton(AF_INET6, buffer.data(), v6.data()) == 1) {
        return from_v6(v6);
    }
    return std::nullopt;
}

IpAddress::Text IpAddress::text() const noexcept {
    Text buffer{};
    if (is_v4()) {
        inet_ntop(AF_INET, bytes_.data() + 12, buffer.data(), buffer.size());
    } else {
        inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
    }
    return buffer;
}

namespace {

[[nodiscard]] int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

}  // namespace

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
    MacAddress result;
    if (text.size() != 17) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < result.bytes.size(); ++i) {
        const int high = hex_digit(text[3 * i]);
        const int low = hex_digit(text[3 * i + 1]);
        const bool separated = i == 5 || text[3 * i + 2] == ':';
        if (high < 0 || low < 0 || !separated) {
            return std::nullopt;
        }
        result.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return result;
}

MacAddress::Text MacAddress::text() const noexcept {
    constexpr std::string_view kDigits = "0123456789abcdef";
    Text buffer{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        buffer[3 * i] = kDigits[bytes[i] >> 4U];
        buffer[3 * i + 1] = kDigits[bytes[i] & 0x0FU];
        buffer[3 * i + 2] = i == 5 ? '\0' : ':';
    }
    return buffer;
}

}  // namespace fairlead
