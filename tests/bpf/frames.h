// One frame through a BPF program (BPF_PROG_TEST_RUN), and frames as hexadecimal text, for the
// programs that tests in Python drive. Errors are exceptions: a test has no other answer to them.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <bpf/bpf.h>

namespace fairlead::testing {

// What the program returned, and the frame as it left it.
struct Ran {
    std::uint32_t action = 0;
    std::vector<std::uint8_t> frame;
};

// Requires a frame of at least 14 bytes: the kernel refuses shorter ones.
[[nodiscard]] inline Ran run_program(int program_fd, std::span<const std::uint8_t> frame) {
    constexpr std::size_t kMostBytes = 65'536;  // of what a program may make of a frame
    Ran ran;
    ran.frame.resize(kMostBytes);
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.data_out = ran.frame.data();
    options.data_size_out = static_cast<std::uint32_t>(ran.frame.size());
    if (bpf_prog_test_run_opts(program_fd, &options) != 0) {
        throw std::system_error(errno, std::generic_category(), "BPF_PROG_TEST_RUN");
    }
    ran.frame.resize(options.data_size_out);
    ran.action = options.retval;
    return ran;
}

[[nodiscard]] inline std::vector<std::uint8_t> from_hex(const std::string& text) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16)));
    }
    return bytes;
}

[[nodiscard]] inline std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}

}  // namespace fairlead::testing
