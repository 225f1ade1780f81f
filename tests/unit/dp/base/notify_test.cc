#include "dp/base/notify.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

// "" is a variable that is not set.
void set_variable(const char* name, const std::string& value) {
    if (value.empty()) {
        unsetenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    } else {
        setenv(name, value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    }
}

// A service manager's end of the socket, under an abstract name of this process.
class Notify : public testing::Test {
  protected:
    void SetUp() override {
        name_ = "@fairlead-notify-test-" + std::to_string(getpid());
        socket_fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ASSERT_GE(socket_fd_, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path);
        address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
        const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        ASSERT_EQ(bind(socket_fd_, generic, length), 0);
    }
    void TearDown() override {
        set_variable("NOTIFY_SOCKET", "");
        close(socket_fd_);
    }

    [[nodiscard]] std::string received() const {
        std::array<char, 256> buffer{};
        const ssize_t length = recv(socket_fd_, buffer.data(), buffer.size(), 0);
        return length < 0 ? std::string("nothing")
                          : std::string(buffer.data(), static_cast<std::size_t>(length));
    }
    static void set_socket(const std::string& value) { set_variable("NOTIFY_SOCKET", value); }

    std::string name_;
    int socket_fd_ = -1;
};

TEST_F(Notify, SendsTheStateAsOneDatagram) {
    set_socket(name_);
    notify_service_manager("READY=1");
    EXPECT_EQ(received(), "READY=1");
    EXPECT_EQ(received(), "nothing");
}

TEST_F(Notify, WithoutTheVariableNothingIsSent) {
    notify_service_manager("READY=1");
    EXPECT_EQ(received(), "nothing");
}

TEST_F(Notify, AWrongSocketIsIgnored) {
    for (const std::string& value : {std::string("@"),
                                     std::string("relative"),
                                     std::string("/nowhere/at/all"),
                                     "/" + std::string(300, 'x')}) {
        set_socket(value);
        notify_service_manager("READY=1");
    }
    EXPECT_EQ(received(), "nothing");
}

// The interval that these variables ask for.
std::optional<std::chrono::microseconds> interval(const std::string& usec, const std::string& pid) {
    set_variable("WATCHDOG_USEC", usec);
    set_variable("WATCHDOG_PID", pid);
    const auto result = watchdog_interval();
    set_variable("WATCHDOG_USEC", "");
    set_variable("WATCHDOG_PID", "");
    return result;
}

TEST(WatchdogInterval, IsTheServiceManagersForThisProcess) {
    using std::chrono::microseconds;
    EXPECT_EQ(interval("", ""), std::nullopt);
    EXPECT_EQ(interval("1500000", ""), microseconds(1'500'000));
    EXPECT_EQ(interval("1500000", std::to_string(getpid())), microseconds(1'500'000));
    EXPECT_EQ(interval("1500000", std::to_string(getpid() + 1)), std::nullopt);
}

TEST(WatchdogInterval, WhatIsNoTimeIsNone) {
    for (const char* text :
         {"0", "-5", "5s", " 5", "18446744073709551615", "18446744073709551616"}) {
        EXPECT_EQ(interval(text, ""), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace fairlead
