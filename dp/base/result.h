// Result<T>: a value or an Error, for every fallible function outside the packet path.
//
// The spelling is std::expected's (C++23), so that the day the compilers have it this file goes.
// On the packet path an outcome is a Verdict or a DropReason instead; nothing there returns text.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace fairlead {

// What a person reads when something cannot be done: what was expected, where, and what to do next.
struct Error {
    std::string message;
};

// Wraps an error on its way into a Result, as std::unexpected does.
template <typename E>
struct Unexpected {
    E error;
};
template <typename E>
Unexpected(E) -> Unexpected<E>;

[[nodiscard]] inline Unexpected<Error> fail(std::string message) {
    return Unexpected<Error>{Error{std::move(message)}};
}

template <typename T, typename E = Error>
class [[nodiscard]] Result {
  public:
    // Implicit, as std::expected's.
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(Unexpected<E> failure) : state_(std::in_place_index<1>, std::move(failure.error)) {}

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    // Requires has_value().
    [[nodiscard]] T& value() & { return *std::get_if<0>(&state_); }
    [[nodiscard]] const T& value() const& { return *std::get_if<0>(&state_); }
    [[nodiscard]] T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    // Requires !has_value().
    [[nodiscard]] const E& error() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, E> state_;
};

// A Result that carries nothing but success.
template <typename E>
class [[nodiscard]] Result<void, E> {
  public:
    Result() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): implicit, as std::expected's
    Result(Unexpected<E> failure) : failure_(std::in_place_index<1>, std::move(failure.error)) {}

    [[nodiscard]] bool has_value() const noexcept { return failure_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    // Requires !has_value().
    [[nodiscard]] const E& error() const { return *std::get_if<1>(&failure_); }

  private:
    std::variant<std::monostate, E> failure_;
};

using Status = Result<void, Error>;

}  // namespace fairlead
